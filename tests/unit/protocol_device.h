/* protocol_device.h: the messages that PROTOCOL.device describes in words before their bytes; the caller frees. */
#ifndef DERIVD_TESTS_UNIT_PROTOCOL_DEVICE_H
#define DERIVD_TESTS_UNIT_PROTOCOL_DEVICE_H

#include "base/buf.h"

struct buf *build_device_hello(void);
struct buf *build_device_welcome(void);
struct buf *build_device_begin(void);
struct buf *build_device_reveal(void);
struct buf *build_device_opened(void);
struct buf *build_device_progress(void);
struct buf *build_device_hint(void);
struct buf *build_device_settled(void);
struct buf *build_device_error(void);

#endif
