#include "services/gateway/description.h"

#include "services/gateway/answers.h"
#include "shared/base/yaml.h"

/* The path is relative to the root of the tree, where the build runs the assembler. */
__asm__(".section .rodata\n"
	".global tocsin_openapi_begin\n"
	".global tocsin_openapi_end\n"
	"tocsin_openapi_begin:\n"
	".incbin \"proto/openapi.yaml\"\n"
	"tocsin_openapi_end:\n"
	".byte 0\n"
	".previous\n");

extern const char tocsin_openapi_begin[], tocsin_openapi_end[];

void describe_api(HttpRequest *request, void *description)
{
	answer_json(request, 200, buffer_slice(description), NULL);
}

Result description_write(Buffer *out)
{
	Slice yaml = { tocsin_openapi_begin, (size_t)(tocsin_openapi_end - tocsin_openapi_begin) };
	json_t *tree JSON_AUTO = NULL;
	Result result = yaml_read(yaml, &tree, NULL);

	if (result_failed(result))
		return result_fail(ERROR_INTERNAL, "the built-in proto/openapi.yaml cannot be read: %s", result.text);
	json_write(tree, out);
	return result_ok();
}
