/* GET /openapi.json: proto/openapi.yaml, built into the program and served as JSON. */
#ifndef TOCSIN_GATEWAY_DESCRIPTION_H
#define TOCSIN_GATEWAY_DESCRIPTION_H

#include "shared/base/error.h"
#include "shared/io/http/server.h"

/* Appends the description as JSON. ERROR_INTERNAL: the built-in file cannot be read. */
Result description_write(Buffer *out);

/* The handler; description is the Buffer of description_write. */
void describe_api(HttpRequest *request, void *description);

#endif
