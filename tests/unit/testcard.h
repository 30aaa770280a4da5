/* testcard.h: a virtual card to talk to, for the unit tests of tests/mock/vcard. */
#ifndef DERIVD_TESTS_UNIT_TESTCARD_H
#define DERIVD_TESTS_UNIT_TESTCARD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/mock/vcard/applet.h"

#pragma GCC diagnostic ignored "-Wunused-parameter"

#define SELECT "00A4040009A0000003080000100000"
#define VERIFY "0020008008313233343536FFFF"
#define WRONG "0020008008393939393939FFFF"
#define STATUS "00200080"
#define GET_CHUID "00CB3FFF055C035FC10200"
#define GET_PRINTED "00CB3FFF055C035FC10900"
/* A hash to sign with 9C. */
#define SIGN_9C                                                                                    \
	"0087119C267C2482008120000000000000000000000000000000000000000000000000000000000000000100"

enum { CHUID_BYTES = 300 };

/* The directory of the card, its keys (9A; 9C, 9D and 9E), and the card of the running test. */
extern char testcard_dir[];
extern EVP_PKEY *testcard_rsa, *testcard_ec;
extern struct card *card;

/* Group and test fixtures. */
int testcard_make_directory(void **state);
int testcard_remove_directory(void **state);
int testcard_new(void **state);
int testcard_end(void **state);
#define card_test(name) cmocka_unit_test_setup_teardown(name, testcard_new, testcard_end)

void testcard_write(const char *name, const void *data, size_t n);
void testcard_write_text(const char *name, const char *text);
void testcard_write_key(const char *name, EVP_PKEY *key);
void testcard_remove(const char *name);
struct card *testcard_load(void);

/* One APDU; the answer has a status word at least. */
void send_bytes(struct span apdu, struct blob *answer);
/* The same in hex; the answer stays until the next one. */
const char *say(const char *hex);
const char *to_hex(struct span bytes);
#define expect(apdu, answer) assert_string_equal(say(apdu), answer)

#endif
