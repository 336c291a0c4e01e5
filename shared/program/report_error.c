#include "shared/program/report_error.h"

#include <stdarg.h>
#include <stdio.h>

void report_error(const char *format, ...)
{
	char text[1024];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	fprintf(stderr, "tocsin: %s\n", text);
}
