"""atheris (libFuzzer) on one target, led by what of msyncd each input reaches: `python3 run.py fuzz TARGET [options]`.

Options are libFuzzer's: -max_total_time=60, -runs=100000, a folder that keeps what was found to be new. An input that
makes the target raise is left as .fuzz/TARGET/crash-…; with its path behind the target, that one alone is tried.
"""

import sys
from pathlib import Path

NAMES = ("messages", "compression", "bundle", "configuration", "record_types")


def main(arguments: list[str]) -> None:
    """Until it is told to end, or a target raises."""
    if not arguments or arguments[0] not in NAMES:
        sys.exit(f"usage: python3 run.py fuzz {{{','.join(NAMES)}}} [-max_total_time=SECONDS] [-runs=N] [FOLDER]")
    try:
        import atheris
    except ImportError:
        sys.exit("atheris is not here: it is made for Linux on x86_64")
    with atheris.instrument_imports(include=["msyncd", "yaml"]):
        from tests.inputs.targets import TARGETS
    name, *options = arguments
    target = TARGETS[name]
    folder = Path(".fuzz", name)  # libFuzzer ends the process itself: nothing could be tidied up behind it
    (folder / "seeds").mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(target.seeds):
        (folder / "seeds" / str(number)).write_bytes(seed)
    (folder / "tokens").write_text("".join(f'"{_escaped(token)}"\n' for token in target.tokens))
    ours = [f"-dict={folder / 'tokens'}", f"-artifact_prefix={folder}/", "-max_len=8192", "-timeout=20"]
    # Later options win. The first folder is the one that is written to, so a person's own stands before the seeds.
    seeds = [] if any(Path(one).is_file() for one in options) else [str(folder / "seeds")]
    atheris.Setup([sys.argv[0], *ours, *options, *seeds], lambda data: target.understands(data) and None)
    atheris.Fuzz()


def _escaped(token: str) -> str:
    """As libFuzzer's dictionaries have it."""
    return "".join(f"\\x{byte:02x}" for byte in token.encode())


if __name__ == "__main__":
    main(sys.argv[1:])
