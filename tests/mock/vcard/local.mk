# tests/mock/vcard
