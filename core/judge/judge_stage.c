/* Kind stage/1: descriptions of stages, before they are planned. Running one is a pipeline's affair. SPDX-License-Identifier: MIT */
#include "core/judge/judge_private.h"
#include "core/plug/kinds.h"

#include <string.h>

static int stage_ports_body(struct judge *j, struct tess_instance *i)
{
    const struct tess_stage_1 *ops = tess_instance_ops(i, "stage/1");
    if (!ops->output || !*ops->output)
        return judge_fail(j, "wanted the kind of artefact that it writes, found none");
    const struct tess_port *p;
    for (int64_t n = 0; (p = tessi_plug_port_at(ops, n)); n++) {
        if (!*p->name || !p->kind || !*p->kind || !p->help || !*p->help)
            return judge_fail(j, "wanted a name, a kind and a help for each port, found none of one for `%s`", p->name);
        if (p->optional != 0 && p->optional != 1)
            return judge_fail(j, "port `%s`: wanted optional to be 0 or 1, found %d", p->name, (int)p->optional);
        for (int64_t k = 0; k < n; k++)
            if (strcmp(tessi_plug_port_at(ops, k)->name, p->name) == 0)
                return judge_fail(j, "wanted different names of ports, found `%s` twice", p->name);
        const struct tess_param *param;
        for (int64_t k = 0; (param = tessi_plug_param_at(j->component, k)); k++)
            if (strcmp(param->name, "in") == 0)
                return judge_fail(j, "wanted no parameter `in`, which is where a pipeline writes the ports");
    }
    return TESS_OK;
}

static int stage_ports(struct judge *j)
{
    return judge_over(j, 1, stage_ports_body);
}

static int stage_depends_body(struct judge *j, struct tess_instance *i)
{
    const struct tess_stage_1 *ops = tess_instance_ops(i, "stage/1");
    if (!TESS_HAS(ops, depends) || !ops->depends)
        return judge_skip(j, "it depends on seed and numbers, as every stage that does not say");
    uint64_t depends = ops->depends(tess_instance_self(i));
    if (depends & ~(TESS_DEPENDS_SEED | TESS_DEPENDS_NUMERIC | TESS_DEPENDS_NO_FILES))
        return judge_fail(j, "depends: wanted bits of TESS_DEPENDS_..., found %llu", (unsigned long long)depends);
    return ops->depends(tess_instance_self(i)) == depends ? TESS_OK : judge_fail(j, "depends: wanted the same when asked again");
}

static int stage_depends(struct judge *j)
{
    return judge_over(j, 4 * (int64_t)j->level, stage_depends_body);
}

static const struct judge_test tests[] = {
    {"ports", 1, "each port has a name of its own, a kind and a help; the output has a kind", stage_ports},
    {"depends", 1, "what its results depend on are known bits, and the same when asked again", stage_depends},
    {NULL, 0, NULL, NULL}};

const struct judge_kind judge_stage = {"stage/1", tests, NULL};
