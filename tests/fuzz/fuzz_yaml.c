/* Whatever text a pipeline is: parsed, printed, and planned where it can be. SPDX-License-Identifier: MIT */
#include "tests/fuzz/fuzz.h"

#include "core/config/yaml.h"

int FUZZ_TARGET(yaml)(const uint8_t *data, size_t size)
{
    struct tessi_config *config = NULL;
    char *text = NULL;
    if (tessi_config_yaml_parse(fuzz_call(), (const char *)data, size, "p.yaml", &config) == TESS_OK)
        (void)!tessi_config_print(fuzz_call(), config, &text);
    tess_free(text);
    tessi_config_free(config);
    if (config)
        (void)fuzz_pipeline(fuzz_file("p.yaml", data, size), NULL, 0);
    return 0;
}
