/*
 * derivd-device.h: libderivd-device, the device's side of derivd for apps: it enrolls with what the QR code of a kiosk says,
 * keeps keys and credentials in a directory, receives what is delivered, and hands credentials out. libderivd-device(3) tells
 * how the functions go together.
 *
 * Ownership: what a function stores through a ret_ parameter is the caller's, who gives it to the function that the type
 * names below; all of these take NULL. Pointers inside of it live as long as it does. Arguments are lent, and copied if need
 * be; what a callback gets is lent until the callback returns. Texts are UTF-8 and end with a zero; those of errors and
 * events are in English and can be shown: they have no control characters.
 *
 * Errors: a function that can fail returns NULL for success or an error, and then has stored nothing through its ret_
 * parameters. Nothing is printed, no function ends the process, but for one case: it is aborted when there is no memory, when
 * a few pages of it cannot be locked for a key (ulimit -l), or when the kernel gives no random bytes or no time.
 *
 * OpenSSL's queue of errors of the calling thread may be emptied.
 *
 * Threads: there is no state outside of what these functions hand out. Different devices may be used in different threads
 * at the same time; one device by one thread at a time, but for derivd_device_stop. Callbacks run in the thread that called
 * derivd_device_run, and may call any function but derivd_device_run, _begin, _repin and _close with the same device. A child of
 * fork does not use the devices of its parent; those that are open for changes stay taken until it has ended or called exec.
 *
 * The interface grows: structs get new members at the end only, events and values of enums may be added. Pass over what you
 * do not know. Only the library makes the structs of this file, but for derivd_device_options, which says its own size.
 */
#ifndef DERIVD_DEVICE_H
#define DERIVD_DEVICE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#pragma GCC visibility push(default)
#define DERIVD_DEVICE_MUST_CHECK __attribute__((warn_unused_result))
#else
#define DERIVD_DEVICE_MUST_CHECK
#endif

/* --- the library --- */

/* The version of the library that runs, such as "0.1.0". */
const char *derivd_device_version(void);
/*
 * From now on whatever OpenSSL frees in this process is overwritten first, so that no copy of a key stays behind. Only for
 * a program's main, before anything used OpenSSL: 0, or -1 when it is too late. Nothing else depends on it.
 */
int derivd_device_wipe_freed(void);

/* --- errors --- */

struct derivd_device_error;

/* What can be expected of another attempt. */
enum derivd_device_fate {
	DERIVD_DEVICE_RETRY = 0,  /* it may go away by itself */
	DERIVD_DEVICE_REFUSE = 1, /* it will not: something else has to be done, or brought */
	DERIVD_DEVICE_BROKEN = 2, /* this device or the service is out of order */
};

/* Kinds that an app may want to tell apart; those that the service sends are in proto/kind.def of derivd's source. */
#define DERIVD_DEVICE_KIND_HOST_UNREACHABLE "host-unreachable"
#define DERIVD_DEVICE_KIND_GATEWAY_KEY                                                             \
	"wrong-gateway-key" /* nobody with a key that this device knows answered */
#define DERIVD_DEVICE_KIND_TLS "tls"
#define DERIVD_DEVICE_KIND_INVITATION "invitation-malformed" /* the QR code's text is none */
#define DERIVD_DEVICE_KIND_OFFER "offer-refused"       /* an offer that is not for this device */
#define DERIVD_DEVICE_KIND_DECLINED "offer-not-wanted" /* accept said no, or further is 0 */
#define DERIVD_DEVICE_KIND_TAMPERED "tampered"         /* somebody may play the kiosk: stop */
#define DERIVD_DEVICE_KIND_ITEM "item-refused"
#define DERIVD_DEVICE_KIND_STATE "device-state" /* the directory does not allow it */
#define DERIVD_DEVICE_KIND_BUSY                                                                    \
	"busy" /* another process, or another handle, has it open for changes */
#define DERIVD_DEVICE_KIND_STATE_DAMAGED "device-state-damaged"
#define DERIVD_DEVICE_KIND_NOT_ENROLLED                                                            \
	"not-enrolled"                           /* no enrollment was begun in the directory */
#define DERIVD_DEVICE_KIND_CANCELLED "cancelled" /* the kiosk ended the request */
#define DERIVD_DEVICE_KIND_PIN_SET "pin-set-refused"
#define DERIVD_DEVICE_KIND_REMOVED "device-removed"
#define DERIVD_DEVICE_KIND_TIMED_OUT "timed-out"
#define DERIVD_DEVICE_KIND_STOPPED "stopped" /* derivd_device_stop */
#define DERIVD_DEVICE_KIND_NO_CREDENTIAL "no-such-thing"
#define DERIVD_DEVICE_KIND_SYSTEM "system" /* the operating system refused something */
#define DERIVD_DEVICE_KIND_FORMAT "format" /* an argument */

void derivd_device_error_free(struct derivd_device_error *error);
/* One of the words above, or another one: compare it with strcmp. It and the remedy live as long as the library. */
const char *derivd_device_error_kind(const struct derivd_device_error *error);
/* What happened. */
const char *derivd_device_error_text(const struct derivd_device_error *error);
/* What the person can do about it, or "". */
const char *derivd_device_error_remedy(const struct derivd_device_error *error);
enum derivd_device_fate derivd_device_error_fate(const struct derivd_device_error *error);

/* --- a device: a directory --- */

struct derivd_device;

/* To look at what is there, and export it; also while another process or handle has it open for changes. */
#define DERIVD_DEVICE_READ 0u
/* For derivd_device_begin, _run and _repin as well: makes the directory if need be, and nobody else may change it. */
#define DERIVD_DEVICE_CHANGE 1u

/*
 * directory holds one device, and nothing else. It must belong to the user, and nobody else may read it; its parents are
 * made, too. Keys lie in it protected by the permissions only. It must not be copied: two devices with one key are not two
 * devices. Errors: "device-state", "busy", "not-enrolled" (no directory to read), "system".
 */
DERIVD_DEVICE_MUST_CHECK struct derivd_device_error *derivd_device_open(
	const char *directory, unsigned int access, struct derivd_device **ret_device);
void derivd_device_close(struct derivd_device *device);

/*
 * Begins to enroll: uri is the text of the kiosk's QR code, a secret, which the caller wipes; platform is shown to the
 * operator, such as "android (Ada's phone)", at most 64 bytes. Makes the device's identity and stores all; nothing is sent
 * before derivd_device_run. The same text again changes nothing, and the enrollment goes on.
 * Errors: "invitation-malformed", "device-state" (enrolled already), "format", "system".
 */
DERIVD_DEVICE_MUST_CHECK struct derivd_device_error *derivd_device_begin(
	struct derivd_device *device, const char *uri, const char *platform);

/* --- being connected --- */

enum derivd_device_event_type {
	DERIVD_DEVICE_CONNECTED = 1, /* enrolled, revoked */
	DERIVD_DEVICE_OFFER = 2,     /* an offer was accepted: holder, purposes */
	DERIVD_DEVICE_DIGITS =
		3, /* show digits at once: the person types them at the kiosk, and tells them to nobody else */
	DERIVD_DEVICE_PROGRESS = 4, /* stage, detail */
	DERIVD_DEVICE_ENROLLED = 5, /* the card's signature is verified */
	DERIVD_DEVICE_ITEM =
		6, /* something was delivered: number, kind, purpose, status, detail, again */
	DERIVD_DEVICE_OFFER_DECLINED = 7, /* error: why; the connection goes on */
	DERIVD_DEVICE_REFUSED =
		8, /* error: the service refused a request of this device; the connection goes on */
	DERIVD_DEVICE_DISCONNECTED = 9, /* error, retry_ms: when it is tried again */
};

/* Members that do not belong to the type are 0 or NULL; texts that do are never NULL. */
struct derivd_device_event {
	enum derivd_device_event_type type;
	const char *text; /* what happened, in words */
	int enrolled;
	int revoked;
	const char *holder;          /* the person's name in the offer */
	const char *const *purposes; /* names, a NULL after the last */
	const char *digits;          /* "12 34 56" */
	const char *stage;           /* waiting, digits, signed, accepted, complete, cancelled */
	const char *detail;
	uint64_t number;
	const char *
		kind; /* certificate, sealed key, CA certificates, gateway keys, app configuration, removal */
	const char *purpose; /* authentication, signing, encryption, decryption; none */
	int status;          /* 0: applied; else why not, as in PROTOCOL.device */
	int again;           /* it had come before, and was acknowledged again */
	const struct derivd_device_error *error;
	uint64_t retry_ms;
};

/* When derivd_device_run has done what it was called for. */
enum derivd_device_goal {
	DERIVD_DEVICE_UNTIL_ACCEPTED =
		1, /* enrollment: the card has signed, and that is verified */
	DERIVD_DEVICE_UNTIL_COMPLETE = 2, /* enrollment: everything of it has been delivered */
	DERIVD_DEVICE_UNTIL_IDLE =
		3, /* all that waited has been delivered: one connection, at any error it ends */
	DERIVD_DEVICE_UNTIL_STOPPED = 4, /* stays connected */
};

struct derivd_device_options {
	size_t size; /* sizeof(struct derivd_device_options) */
	enum derivd_device_goal goal;
	int further; /* not 0: offers of further credentials for this device are answered, too */
	int patient; /* not 0: goes on also when the service could not be reached the first time */
	uint64_t timeout_ms;    /* for the whole; 0: none */
	uint64_t retry_most_ms; /* longest pause between two connections; 0: five minutes */
	void *context;          /* for the callbacks */
	/* May be NULL. */
	void (*event)(void *context, const struct derivd_device_event *event);
	/*
	 * The question to the person: is this for you, and do you want it? offer: holder, purposes. Not 0: yes. Nothing has been
	 * made or sent for it. It may take its time, but the service gives up on a session after a quarter of an hour.
	 * NULL: always yes.
	 */
	int (*accept)(void *context, const struct derivd_device_event *offer);
};

/*
 * Connects, and goes on with what has to be done, on as many connections as it takes, until the goal is reached. Killed at any
 * moment, it goes on where it was when it is called the next time. It blocks: looking up the host's name cannot be stopped.
 * Errors: "not-enrolled", "stopped", "timed-out", "device-removed"; while the enrollment is not accepted everything that the service
 * refuses; anything that another connection does not mend.
 */
DERIVD_DEVICE_MUST_CHECK struct derivd_device_error *derivd_device_run(
	struct derivd_device *device, const struct derivd_device_options *options);
/*
 * Ends derivd_device_run as soon as can be, with "stopped"; when it does not run, the next call. From any thread, from a
 * callback, from a signal handler.
 */
void derivd_device_stop(struct derivd_device *device);

/*
 * Takes in the keys that the gateway has now, when this device was away while they changed and finds "wrong-gateway-key": text is
 * what derivd-ca pins sign printed, the line or the whole; it does not matter who brings it. *ret_known (may be NULL): not 0 when
 * the device knew them already. Errors: "pin-set-refused" (nothing was changed), "not-enrolled", "system".
 */
DERIVD_DEVICE_MUST_CHECK struct derivd_device_error *derivd_device_repin(
	struct derivd_device *device, const char *text, int *ret_known);

/* --- what is there --- */

struct derivd_device_status {
	const char *stage; /* enrolling, enrolled, removed */
	const char *host;
	unsigned int port;
	const char *deployment; /* hexadecimal, as all ids and hashes */
	const char *device;     /* the id: the hash of its key */
	const char *holder;     /* the person's name, or "" */
	const char *platform;
	uint64_t last_number; /* of what was delivered */
	size_t credentials;
	size_t usable;
	size_t chain;            /* CA certificates */
	const char *const *apps; /* names, a NULL after the last */
	const char *const *pins; /* hashes of the gateway's keys, a NULL after the last */
	uint64_t pins_epoch;     /* the change of the gateway's keys; 0: those of the QR code */
};

DERIVD_DEVICE_MUST_CHECK struct derivd_device_error *derivd_device_get_status(
	const struct derivd_device *device, struct derivd_device_status **ret_status);
void derivd_device_status_free(struct derivd_device_status *status);

/* A key with its certificate, or one that waits for the other. */
struct derivd_device_credential {
	const char *id; /* the hash of its public key: for derivd_device_export */
	const char *purpose;
	const char *origin; /* who made the key: device, server */
	int has_key;
	int has_certificate;
	/* Only with a certificate; else NULL and 0. */
	const char *subject;
	const char *serial;
	const char *certificate; /* its hash */
	int64_t not_before_ms;   /* since 1970 */
	int64_t not_after_ms;
};

struct derivd_device_credentials {
	size_t n;
	const struct derivd_device_credential *const *list;
};

/* Errors: "not-enrolled"; "device-state-damaged", which can be a change meanwhile: try once more. */
DERIVD_DEVICE_MUST_CHECK struct derivd_device_error *derivd_device_get_credentials(
	const struct derivd_device *device, struct derivd_device_credentials **ret_credentials);
void derivd_device_credentials_free(struct derivd_device_credentials *credentials);

/* A configuration of a mail app, as it came. */
struct derivd_device_app {
	const char *name;
	const char *type; /* media type */
	const char *text;
	size_t len;
};

struct derivd_device_apps {
	size_t n;
	const struct derivd_device_app *const *list;
};

DERIVD_DEVICE_MUST_CHECK struct derivd_device_error *derivd_device_get_apps(
	const struct derivd_device *device, struct derivd_device_apps **ret_apps);
void derivd_device_apps_free(struct derivd_device_apps *apps);

/* Wiped when it is freed. */
struct derivd_device_data {
	const unsigned char *data; /* a zero follows the last byte */
	size_t len;
};

enum derivd_device_form {
	DERIVD_DEVICE_PEM_KEY = 1, /* PKCS#8, not encrypted */
	DERIVD_DEVICE_PEM_CERTIFICATE = 2,
	DERIVD_DEVICE_PEM_CHAIN = 3, /* CA certificates: the issuer first, the root last */
	DERIVD_DEVICE_PKCS12 =
		4, /* key, certificate, chain without the root; PBES2, AES-256-CBC, SHA-256 */
	DERIVD_DEVICE_PKCS12_LEGACY =
		5, /* the same with Triple-DES and SHA-1: Android up to 13, macOS up to 10.15, gpgsm up to 2.2 read no other */
};

/*
 * Hands out one credential that has key and certificate. password: UTF-8, 1 to 256 bytes, for PKCS12 and
 * PKCS12_LEGACY; else NULL.
 * Errors: "no-such-thing" (the id, or it is not usable), "not-enrolled", "device-state-damaged" as above, "format" (password).
 */
DERIVD_DEVICE_MUST_CHECK struct derivd_device_error *derivd_device_export(
	const struct derivd_device *device, const char *id, enum derivd_device_form form,
	const char *password, struct derivd_device_data **ret_data);
void derivd_device_data_free(struct derivd_device_data *data);

#if defined(__GNUC__)
#pragma GCC visibility pop
#endif

#ifdef __cplusplus
}
#endif

#endif
