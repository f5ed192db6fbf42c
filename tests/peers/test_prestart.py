"""docs/init-container.md word for word, with a real model: its commands are taken out of the page and run.

The model is the one ./quickstart shows (tools/demo-model). After the pull the Hub is gone, and transformers and
safetensors load what is there.

Seen red on purpose: a snapshot entry of the weights that leads nowhere; an exit code that is always 0.
"""
import json
import os
import re
import subprocess

import pytest

from hub import TOP, Content, FakeHub, binary, cache_truth, file_hash, snapshot
from peers import Client, alone, build_dir, finish

REPO = "local/all-MiniLM-L6-v2"
PAGE = (TOP / "docs/init-container.md").read_text()
IN_PAGE = "Qwen/Qwen3-8B"

LOAD = """
import json, sys
from safetensors.numpy import load_file
from transformers import AutoTokenizer
tokenizer = AutoTokenizer.from_pretrained(sys.argv[1], local_files_only=True)
ids = tokenizer("hf-pull proves every byte.")["input_ids"]
weights = load_file(sys.argv[2] + "/model.safetensors")
word = weights["embeddings.word_embeddings.weight"]
print(json.dumps({"hello": tokenizer("hello world")["input_ids"], "text": tokenizer.decode(ids, skip_special_tokens=True),
                  "tensors": {name: [str(t.dtype), *t.shape] for name, t in weights.items()},
                  "sum": float(sum(abs(t).sum(dtype="float64") for t in weights.values())),
                  "finite": bool((word == word).all())}))
"""


@pytest.fixture(scope="module")
def model_hub():
    models = build_dir() / "demo-model"
    with alone(build_dir() / "demo-model.lock"):
        subprocess.run([TOP / "tools/demo-model/fetch", models], check=True, capture_output=True, text=True)
    with FakeHub(Content(models).path) as hub:
        yield hub


def block(language, having):
    """The code block of the page that contains a word, with our model in place of the page's."""
    for found in re.findall(rf"```{language}\n(.*?)```", PAGE, re.S):
        if having in found:
            return found.replace(IN_PAGE, REPO)
    raise AssertionError(f"no {language} block with {having} in docs/init-container.md")


@pytest.fixture
def shell(model_hub, tmp_path):
    """Runs a shell command as the page's reader would: hf-pull and python3 on the PATH, HF_HOME on a volume."""
    bin = tmp_path / "bin"
    bin.mkdir()
    (bin / "hf-pull").symlink_to(binary("HF_PULL", "hf-pull"))
    client = Client("2.4.0", model_hub, tmp_path / "home")
    client.home.mkdir()
    env = client.env(PATH=f"{bin}:{client.bin}:{os.environ['PATH']}")
    return client, lambda command: finish(subprocess.Popen(["sh", "-c", command], cwd=tmp_path, env=env, text=True,
                                                           stdout=subprocess.PIPE, stderr=subprocess.PIPE))


def test_prestart_command_then_local_files_only_then_the_model_loads(shell, model_hub, tmp_path):
    client, run = shell
    (tmp_path / "serve.py").write_text(block("python", "local_files_only=True") + "\nprint(folder)\n")
    command = block("sh", "serve.py")
    done = run(command)
    assert done.returncode == 0, done
    folder = str(snapshot(client.home, REPO))
    assert done.stdout.splitlines() == [folder, folder]  # hf-pull's own line, and what the client returned
    assert cache_truth(client.home, REPO, model_hub) == {}

    # A restart: one request.
    model_hub.settled()
    model_hub.reset()
    assert run(command).returncode == 0
    assert [r["kind"] for r in model_hub.settled()] == ["info"]

    # From here on nothing may be asked.
    model_hub.reset()
    said = subprocess.run([client.bin / "python", "-c", LOAD, REPO, folder], env=client.env(), capture_output=True, text=True,
                          timeout=100)
    assert said.returncode == 0, said.stderr
    found = json.loads(said.stdout.splitlines()[-1])
    assert found["hello"] == [101, 7592, 2088, 102]  # [CLS] hello world [SEP] of the uncased BERT vocabulary
    assert found["text"] == "hf - pull proves every byte."
    tensors = found["tensors"]
    assert tensors["embeddings.word_embeddings.weight"] == ["float32", 30522, 384]
    assert tensors["encoder.layer.5.output.dense.weight"] == ["float32", 384, 1536]
    layers = {name.split(".")[2] for name in tensors if name.startswith("encoder.layer.")}
    assert layers == {"0", "1", "2", "3", "4", "5"} and found["finite"] and found["sum"] > 1e5
    assert model_hub.settled() == []
    assert file_hash(f"{folder}/model.safetensors", lfs=True) == model_hub.tree(REPO)["model.safetensors"]["lfs"]["oid"]


def test_a_failed_prestart_does_not_start_the_program(shell, model_hub, tmp_path):
    _, run = shell
    (tmp_path / "serve.py").write_text("print('started')\n")
    model_hub.change(REPO, gated=True, granted=False)
    try:
        done = run(block("sh", "serve.py"))
    finally:
        model_hub.change(REPO, gated=False, granted=True)
    assert (done.returncode, done.stdout) == (5, ""), done


def test_the_init_containers_own_arguments(shell, model_hub):
    client, run = shell
    args = json.loads(re.search(r"args: (\[.*\])", block("yaml", "initContainers")).group(1))
    done = run("hf-pull " + " ".join(args))
    assert done.returncode == 0, done
    assert done.stdout.strip() == str(snapshot(client.home, REPO))
    assert f"[{REPO}] 100.0%" in done.stderr
