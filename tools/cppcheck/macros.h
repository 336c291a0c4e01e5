/* Loop macros of jansson. cppcheck does not read the headers of libraries and would parse the macros as function calls. */
#define json_array_foreach(array, index, value) \
	for (index = 0; index < json_array_size(array) && (value = json_array_get(array, index)); index++)
#define json_object_foreach(object, key, value) \
	for (void *at = json_object_iter(object); (key = json_object_iter_key(at)) && (value = json_object_iter_value(at)); \
	     at = json_object_iter_next(object, at))
