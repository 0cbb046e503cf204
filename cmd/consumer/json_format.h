/* A record as one JSON object: what `producer --input json` reads back. */
#ifndef KAVKA_CMD_CONSUMER_JSON_FORMAT_H
#define KAVKA_CMD_CONSUMER_JSON_FORMAT_H

#include "cmd/consumer/formatter.h"

/* {"topic":"t","partition":0,"offset":3,"timestamp":1755858862123,"timestampType":"CreateTime",
 *  "headers":[{"key":"h","value":"v"}],"key":"k","value":"v"}
 * null is null, empty is "". Bytes that are not UTF-8 are in base64, with "keyEncoding":"base64" or
 * "valueEncoding":"base64" behind them (in headers too). A key or value that a --key-format or
 * --value-format makes JSON of stands there as that JSON, with "valueSchemaId" if there is one.
 * 0, or what serde_decode() failed with; nothing was printed then. */
MUST_USE int json_format(struct formatter *f, const struct record_view *v, struct err *err);

#endif
