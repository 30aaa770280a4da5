"""po/names.py FILE...: each translation has the {names} of its text, no more and no fewer."""

import re
import subprocess
import sys

failed = False
for path in sys.argv[1:]:
    # One line for a text, one for its translation.
    lines = subprocess.run(["msgcat", "--no-wrap", path], stdout=subprocess.PIPE, check=True, text=True).stdout
    for entry in lines.split("\n\n"):
        text, _, translation = entry.partition("\nmsgstr ")
        wanted, given = (sorted(set(re.findall(r"\{[a-z0-9]+\}", part))) for part in (text, translation))
        if translation and wanted != given:
            print(f"{path}: {wanted} became {given} in\n{entry}")
            failed = True
sys.exit(failed)
