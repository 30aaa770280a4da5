/*
 * app.c: an app as others would write it: against the installed header and library, and nothing else of this tree.
 *
 *   app DIRECTORY enroll|decline|idle|stay|list < the text of the QR code
 *
 * One line for each thing that happens; the last one is "done" or "error KIND".
 */
#include <derivd-device.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct derivd_device *device;

static int finish(struct derivd_device_error *error)
{
	if (!error) {
		puts("done");
		return 0;
	}
	printf("error %s: %s (%s)\n", derivd_device_error_kind(error),
		derivd_device_error_text(error), derivd_device_error_remedy(error));
	derivd_device_error_free(error);
	return 1;
}

static void on_event(void *context, const struct derivd_device_event *event)
{
	(void)context;
	switch (event->type) {
	case DERIVD_DEVICE_CONNECTED:
		puts("connected");
		break;
	case DERIVD_DEVICE_DIGITS:
		printf("digits %s\n", event->digits);
		break;
	case DERIVD_DEVICE_ITEM:
		printf("item %s %s %d\n", event->kind, event->purpose, event->status);
		break;
	case DERIVD_DEVICE_DISCONNECTED:
		printf("disconnected %s\n", derivd_device_error_kind(event->error));
		break;
	default:
		printf("event %d: %s\n", (int)event->type, event->text);
	}
	fflush(stdout);
}

static void print_question(const struct derivd_device_event *offer)
{
	printf("question %s:", offer->holder);
	for (size_t i = 0; offer->purposes[i]; i++)
		printf(" %s", offer->purposes[i]);
	puts("");
}

static int say_yes(void *context, const struct derivd_device_event *offer)
{
	(void)context;
	print_question(offer);
	return 1;
}

static int say_no(void *context, const struct derivd_device_event *offer)
{
	(void)context;
	print_question(offer);
	return 0;
}

static struct derivd_device_error *run(
	enum derivd_device_goal goal, int (*accept)(void *, const struct derivd_device_event *))
{
	const struct derivd_device_options options = {
		.size = sizeof(options),
		.goal = goal,
		.patient = goal == DERIVD_DEVICE_UNTIL_STOPPED,
		.timeout_ms = 10 * 60 * 1000,
		.retry_most_ms = 1000,
		.event = on_event,
		.accept = accept,
	};

	return derivd_device_run(device, &options);
}

static struct derivd_device_error *enroll(int (*accept)(void *, const struct derivd_device_event *))
{
	char uri[4096] = "";

	if (fgets(uri, sizeof(uri), stdin))
		uri[strcspn(uri, "\n")] = 0;
	struct derivd_device_error *error = derivd_device_begin(device, uri, "an app");
	return error ? error : run(DERIVD_DEVICE_UNTIL_COMPLETE, accept);
}

static void on_signal(int number)
{
	(void)number;
	derivd_device_stop(device);
}

static struct derivd_device_error *print_form(
	const char *id, enum derivd_device_form form, const char *password)
{
	struct derivd_device_data *data;
	struct derivd_device_error *error = derivd_device_export(device, id, form, password, &data);

	if (error)
		return error;
	if (form >= DERIVD_DEVICE_PKCS12)
		printf("pkcs12 %zu bytes\n", data->len);
	else
		fwrite(data->data, 1, data->len, stdout);
	derivd_device_data_free(data);
	return NULL;
}

/* All that is there, and in every form. */
static struct derivd_device_error *list(void)
{
	struct derivd_device_credentials *all;
	struct derivd_device_error *error = derivd_device_get_credentials(device, &all);

	for (size_t i = 0; !error && i < all->n; i++) {
		const struct derivd_device_credential *c = all->list[i];
		int usable = c->has_key && c->has_certificate;
		printf("%s %s %s\n", usable ? "usable" : "waits", c->purpose,
			usable ? c->subject : "");
		for (int form = DERIVD_DEVICE_PEM_KEY;
			usable && !error && form <= DERIVD_DEVICE_PKCS12_LEGACY; form++)
			error = print_form(c->id, (enum derivd_device_form)form,
				form >= DERIVD_DEVICE_PKCS12 ? "secret" : NULL);
		if (error)
			derivd_device_credentials_free(all);
	}
	if (!error)
		derivd_device_credentials_free(all);
	return error;
}

static struct derivd_device_error *read_status(void)
{
	struct derivd_device_status *status;
	struct derivd_device_error *error = derivd_device_get_status(device, &status);

	if (error)
		return error;
	printf("%s, %s, %zu of %zu usable\n", status->stage, status->holder, status->usable,
		status->credentials);
	derivd_device_status_free(status);
	return list();
}

/* A second device in the same process, in a thread of its own, while the first one runs. */
static void *read_elsewhere(void *directory)
{
	struct derivd_device *other;
	struct derivd_device_credentials *all;
	struct derivd_device_error *error =
		derivd_device_open(directory, DERIVD_DEVICE_READ, &other);

	for (int i = 0; !error && i < 100; i++) {
		error = derivd_device_get_credentials(other, &all);
		if (!error)
			derivd_device_credentials_free(all);
	}
	derivd_device_close(error ? NULL : other);
	return error;
}

static struct derivd_device_error *stay(char *directory)
{
	pthread_t reader;
	void *read_error;
	struct derivd_device_error *error;

	if (signal(SIGTERM, on_signal) == SIG_ERR ||
		pthread_create(&reader, NULL, read_elsewhere, directory) != 0)
		abort();
	error = run(DERIVD_DEVICE_UNTIL_STOPPED, say_yes);
	pthread_join(reader, &read_error);
	if (read_error)
		finish(read_error);
	return error;
}

static struct derivd_device_error *command(char *directory, const char *name)
{
	if (strcmp(name, "enroll") == 0)
		return enroll(say_yes);
	if (strcmp(name, "decline") == 0)
		return enroll(say_no);
	if (strcmp(name, "idle") == 0)
		return run(DERIVD_DEVICE_UNTIL_IDLE, NULL);
	if (strcmp(name, "stay") == 0)
		return stay(directory);
	return read_status();
}

int main(int argc, char **argv)
{
	int reads = argc == 3 && strcmp(argv[2], "list") == 0;
	struct derivd_device_error *error;

	if (argc != 3)
		return 2;
	error = derivd_device_open(
		argv[1], reads ? DERIVD_DEVICE_READ : DERIVD_DEVICE_CHANGE, &device);
	if (!error)
		error = command(argv[1], argv[2]);
	int status = finish(error);
	derivd_device_close(device);
	return status;
}
