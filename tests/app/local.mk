# tests/app: libderivd-device as an app's author has it. The app is built by the test, against what is installed.
TESTS += tests/app/test_library.py
EXTRA_DIST += tests/app/test_library.py tests/app/app.c
