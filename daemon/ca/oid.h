/* oid.h: object identifiers of certificate extensions, in DER. */
#ifndef DERIVD_DAEMON_CA_OID_H
#define DERIVD_DAEMON_CA_OID_H

#include "base/def.h"

/* id-ce: 2.5.29.n */
#define OID_CE(n) BYTES("\x06\x03\x55\x1d" n, 5)
#define OID_SUBJECT_KEY_ID OID_CE("\x0e")
#define OID_KEY_USAGE OID_CE("\x0f")
#define OID_SUBJECT_ALT_NAME OID_CE("\x11")
#define OID_BASIC_CONSTRAINTS OID_CE("\x13")
#define OID_CRL_NUMBER OID_CE("\x14")
#define OID_CRL_REASON OID_CE("\x15")
#define OID_CRL_POINTS OID_CE("\x1f")
#define OID_POLICIES OID_CE("\x20")
#define OID_AUTHORITY_KEY_ID OID_CE("\x23")
#define OID_EXT_KEY_USAGE OID_CE("\x25")
/* 1.3.6.1.5.5.7.1.1, 1.3.6.1.5.5.7.48.1 and .2 */
#define OID_AUTHORITY_INFO BYTES("\x06\x08\x2b\x06\x01\x05\x05\x07\x01\x01", 10)
#define OID_AD_OCSP BYTES("\x06\x08\x2b\x06\x01\x05\x05\x07\x30\x01", 10)
#define OID_AD_ISSUERS BYTES("\x06\x08\x2b\x06\x01\x05\x05\x07\x30\x02", 10)
/* 1.3.6.1.4.1.311.25.2 and .1 below it */
#define OID_SID BYTES("\x06\x09\x2b\x06\x01\x04\x01\x82\x37\x19\x02", 11)
#define OID_SID_VALUE BYTES("\x06\x0a\x2b\x06\x01\x04\x01\x82\x37\x19\x02\x01", 12)

#endif
