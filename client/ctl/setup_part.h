/* setup_part.h: small helpers of setup's files; nobody else includes it. */
#ifndef DERIVD_CTL_SETUP_PART_H
#define DERIVD_CTL_SETUP_PART_H

#include "client/ctl/setup.h"

/* Does FILE, or a file of FILE.d, have a line that begins with the word? */
bool setup_config_has(const char *file, const char *word);
/* A name in derivd-ca's state directory; the caller frees. */
char *setup_state_path(const struct setup *s, const char *name);
/* A program, without what it prints when all is well. */
MUST_CHECK struct err *setup_run(
	const struct setup *s, const char *name, const char *const words[]);

/* One row of the table of questions, by its answer's key. */
struct question {
	const char *option;
	const char *value; /* as in a usage */
	bool (*is_needed)(const struct setup *s);
	char *(*fallback)(
		const struct setup *s); /* the caller frees; NULL: somebody has to say it */
	struct err *(*check)(struct setup *s, struct setup_answer *a);
	const char *label;
	const char *hint;
};
extern const struct question setup_questions[SETUP_ANSWERS];

/* Steps, and whether they are needed. */
bool setup_needs_putting_away(const struct setup *s);
/* From derivd-ca's ceremony/ into the directory of SETUP_KEYS. */
MUST_CHECK struct err *setup_put_away(struct setup *s);
bool setup_needs_roles(const struct setup *s);
MUST_CHECK struct err *setup_give_roles(struct setup *s);
bool setup_needs_services(const struct setup *s);
MUST_CHECK struct err *setup_start_services(struct setup *s);

#endif
