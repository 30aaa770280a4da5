"""What doc/MAIL.md tells administrators to write: its files and commands, for servers of the tests' own.

    Guide({"/etc/dovecot": "/tmp/x/dovecot", "pki.example.org": "127.0.0.1:8080"}).text("/etc/dovecot/conf.d/99-derivd.conf")
"""

import os
import re

from kiosk import SOURCE

DOCUMENT = os.path.join(SOURCE, "doc/MAIL.md")


class Guide:
    def __init__(self, places):
        """places: what stands in the document, and what stands for it here."""
        self.places = places
        with open(DOCUMENT) as f:
            self.sections = re.split(r"^#+ ", f.read(), flags=re.M)

    def section(self, title):
        found = next((s for s in self.sections if s.startswith(title + "\n")), None)
        if found is None:
            raise KeyError(f"doc/MAIL.md has no section {title}")
        return found

    def table(self, title):
        """The rows of the table in that section, without its head."""
        rows = [line.strip("|").split("|") for line in self.section(title).splitlines() if line.startswith("|")]
        return [[cell.strip() for cell in row] for row in rows[2:]]

    def text(self, title):
        """The indented block below the heading that is the name of the file."""
        section = self.section(title)
        block = re.search(r"\n\n((?:    .*\n|\n(?=    ))+)", section).group(1)
        text = re.sub(r"^    ", "", block, flags=re.M)
        for there, here in self.places.items():
            text = text.replace(there, here)
        return text
