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

    def text(self, title, **extra):
        """The indented block below the heading that is the name of the file."""
        section = next((s for s in self.sections if s.startswith(title + "\n")), None)
        if section is None:
            raise KeyError(f"doc/MAIL.md has no section {title}")
        block = re.search(r"\n\n((?:    .*\n|\n(?=    ))+)", section).group(1)
        text = re.sub(r"^    ", "", block, flags=re.M)
        for there, here in self.places.items():
            text = text.replace(there, here)
        return text
