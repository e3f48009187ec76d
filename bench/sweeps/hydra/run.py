import csv
import json
import os
import re
import subprocess
import hydra
from hydra.utils import get_original_cwd


@hydra.main(version_base=None, config_path=".", config_name="config")
def main(config):
    here = get_original_cwd()
    refit = config.quantizer == "refit"
    pipeline = os.path.join(here, "refit.yaml" if refit else "base.yaml")
    use = "nearest" if refit else config.quantizer
    subprocess.run(["tessera", "run", pipeline, f"K={config.K}", f"seed={config.seed}", f"tokenizer.quantizer.use={use}", "-q"], check=True)
    record = {}
    with open("runs/codebooks/log.jsonl") as log:
        for line in map(json.loads, log):
            if line["event"] in ("stage_end", "stage_cached") and line["stage"] == "metrics":
                record = {m["name"]: m["value"] for m in line["metrics"]}
    with open(os.path.join(here, "table.csv"), "a") as table:
        csv.writer(table).writerow([config.quantizer, config.K, config.seed, record["reconstruction MSE"], record["codes used"], record["perplexity"]])


main()
