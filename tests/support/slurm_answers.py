"""Stand-ins for SLURM's commands, which print what SLURM 22.05 printed."""

import json
import os

from codetune.base import slurm_queue

RUN = "codetune_39f43b42-545c-4834-80e1-d2999bf847b9"
PARTITIONS = """\
PartitionName=cpu Default=YES MaxTime=01:00:00 PreemptMode=OFF GraceTime=0
PartitionName=gpu Default=NO MaxTime=08:00:00 PreemptMode=REQUEUE GraceTime=30
PartitionName=long Default=NO MaxTime=7-00:00:00 PreemptMode=OFF GraceTime=0
PartitionName=free Default=NO MaxTime=UNLIMITED PreemptMode=OFF GraceTime=0
"""


def make_cluster(folder, monkeypatch):
    """Commands that print what a test tells them to, and note what they were asked."""
    commands = folder / "bin"
    commands.mkdir()
    monkeypatch.setenv("PATH", f"{commands}:{os.environ['PATH']}")
    for name in ("SLURM_JOB_ID", "SLURM_RESTART_COUNT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(slurm_queue, "POLL_SECONDS", 0.01)
    answers = {
        "squeue": "",
        "scontrol show partition": PARTITIONS,
        "scontrol show config": "MinJobAge               = 300 sec\n",
        "sacctmgr -nP show assoc": "|\n",
        "sacctmgr -nP show qos": "normal|\ncapped|4\n",
    }

    class Cluster:
        asked = folder / "asked"

        def answers(self, **changes):
            answers.update({name.replace("_", " "): text for name, text in changes.items()})
            (folder / "answers.json").write_text(json.dumps(answers))

        def calls(self):
            return self.asked.read_text().splitlines() if self.asked.exists() else []

    script = f"""#!/usr/bin/python3
import json, sys
from pathlib import Path
call = " ".join([Path(sys.argv[0]).name, *sys.argv[1:]])
open("{folder}/asked", "a").write(call + "\\n")
answers = json.load(open("{folder}/answers.json"))
found = [text for start, text in answers.items() if call.startswith(start)]
if not found or found[0] is None:
    sys.exit("slurm: error: no answer")
if isinstance(found[0], list):
    text = found[0].pop(0) if len(found[0]) > 1 else found[0][0]
    json.dump(answers, open("{folder}/answers.json", "w"))
    print(text, end="")
else:
    print(found[0], end="")
"""
    for name in ("squeue", "scontrol", "sacctmgr", "scancel"):
        (commands / name).write_text(script)
        (commands / name).chmod(0o755)
    made = Cluster()
    made.answers()
    return made


def queued(number, state, folder, name=RUN, qos="normal", comment="rule_finetune_wildcards_data_gemma_qlora_0"):
    return f"{number}|{state}|{qos}|{folder}|{name}|{comment}\n"
