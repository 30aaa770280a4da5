/* build_id.c: the one object that is compiled again when any source changes. */
#include "base/proc.h"

#include "base/build-id.h"

const char *proc_build_id(void)
{
	return BUILD_ID;
}
