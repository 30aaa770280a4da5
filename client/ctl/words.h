/*
 * words.h: what derivctl says to a person during a session: one table of texts with named arguments, so that other
 * languages can follow without touching the code.
 */
#ifndef DERIVD_CTL_WORDS_H
#define DERIVD_CTL_WORDS_H

#include "base/buf.h"

enum word {
#define WORD(id, text) WORD_##id,
#include "client/ctl/words.def"
#undef WORD
	WORD_COUNT
};

/* The text with each {name} replaced by the value that follows the name in the list, which NULL ends. The values are
 * made safe to show. A name that the list lacks is a fault of ours and asserts. The caller frees. */
char *words(enum word w, ...) __attribute__((sentinel));

/* The name of a purpose, a state or an event as a person reads it, lent; one that is not known stays as it is. */
const char *words_name(const char *name);

#endif
