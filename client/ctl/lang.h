/*
 * lang.h: texts in the person's language, by gettext: domain "derivd", catalogues from po/. The language is that of the locale
 * or of --lang. With --json there is none: what programs read stays English.
 */
#ifndef DERIVD_CTL_LANG_H
#define DERIVD_CTL_LANG_H

#include <libintl.h>

#include "base/err.h"

/* A text in the language; and one that is only marked, for tables, to be looked up where it is shown. */
#define _(text) gettext(text)
#define N_(text) text

/*
 * Chooses the language out of the command line (--lang, --json) and the locale, before anything is said. Where a locale is
 * not installed its language is taken all the same. CTL_ERR_USAGE: --lang names none that there is.
 */
MUST_CHECK struct err *lang_start(int argc, char **argv);
/* Is what _() gives English? */
bool lang_is_english(void);

#endif
