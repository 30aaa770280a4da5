# tests/mock
