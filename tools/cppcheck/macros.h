/* For cppcheck, which does not read the libraries' headers: loops of jansson's that it would take for functions. */
#define json_array_foreach(array, index, value) \
	for (index = 0; index < json_array_size(array) && (value = json_array_get(array, index)); index++)
#define json_object_foreach(object, key, value) \
	for (void *at = json_object_iter(object); (key = json_object_iter_key(at)) && (value = json_object_iter_value(at)); \
	     at = json_object_iter_next(object, at))
