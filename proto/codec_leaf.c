/* SPDX-License-Identifier: MIT */
/*
 * codec_leaf.c: the small messages, by protobuf-c. protobuf-c takes what it is given: it cuts a uid of 2^32 down to 0,
 * merges a message that comes twice, keeps every field it does not know. So each message is looked through first, and
 * only one that means the same to everybody is unpacked.
 */
#include "proto/codec_internal.h"

#define LEAF_DEPTH_MAX 4u

struct scan {
        struct decoder *decoder;
        uint32_t unknown_left;
};

static enum wire_type leaf_wire_type(const ProtobufCFieldDescriptor *field) {
        switch (field->type) {
        case PROTOBUF_C_TYPE_BYTES:
        case PROTOBUF_C_TYPE_STRING:
        case PROTOBUF_C_TYPE_MESSAGE:
                return WIRE_BYTES;
        default: /* the schema has no fixed32, fixed64, float or double */
                return WIRE_VARINT;
        }
}

static bool leaf_value_fits(const ProtobufCFieldDescriptor *field, uint64_t value) {
        switch (field->type) {
        case PROTOBUF_C_TYPE_UINT32:
        case PROTOBUF_C_TYPE_SINT32:
                return value <= UINT32_MAX;
        case PROTOBUF_C_TYPE_ENUM:
                return value <= INT32_MAX;
        case PROTOBUF_C_TYPE_BOOL:
                return value <= 1;
        default:
                return true;
        }
}

static int scan_message(struct scan *scan, const ProtobufCMessageDescriptor *descriptor, struct bytes bytes,
                        unsigned depth);

static int scan_field(struct scan *scan, const ProtobufCMessageDescriptor *descriptor, const struct wire_field *field,
                      uint64_t *seen, unsigned depth) {
        struct decoder *decoder = scan->decoder;
        const ProtobufCFieldDescriptor *known = protobuf_c_message_descriptor_get_field(descriptor, field->number);
        if (!known) {
                if (scan->unknown_left-- == 0)
                        return decoder_refuse(decoder, FSOP_EPROTO, "%s has a field %u that is not known here",
                                              descriptor->short_name, field->number);
                return 0;
        }
        uint64_t bit = (uint64_t)1 << ((known - descriptor->fields) & 63);
        if (known->label != PROTOBUF_C_LABEL_REPEATED && *seen & bit)
                return decoder_refuse(decoder, FSOP_EPROTO, "%s.%s is there twice", descriptor->short_name,
                                      known->name);
        *seen |= bit;
        if (field->type != leaf_wire_type(known))
                return decoder_refuse(decoder, FSOP_EPROTO, "%s.%s has the wrong type", descriptor->short_name,
                                      known->name);
        if (field->type == WIRE_VARINT && !leaf_value_fits(known, field->value))
                return decoder_refuse(decoder, FSOP_EINVAL, "%s.%s: %llu is out of range", descriptor->short_name,
                                      known->name, (unsigned long long)field->value);
        if (known->type == PROTOBUF_C_TYPE_MESSAGE)
                return scan_message(scan, known->descriptor, field->bytes, depth + 1);
        return 0;
}

static int scan_message(struct scan *scan, const ProtobufCMessageDescriptor *descriptor, struct bytes bytes,
                        unsigned depth) {
        struct wire_reader reader = wire_reader(bytes);
        struct wire_field field;
        uint64_t seen = 0;
        int r;
        if (depth > LEAF_DEPTH_MAX)
                return decoder_refuse(scan->decoder, FSOP_EPROTO, "%s is nested too deeply", descriptor->short_name);
        while ((r = wire_next(&reader, &field)) > 0) {
                r = scan_field(scan, descriptor, &field, &seen, depth);
                if (r < 0)
                        return r;
        }
        return r < 0 ? decoder_malformed(scan->decoder, descriptor->short_name) : 0;
}

/* One byte more than asked for, and cleared: that is how byte strings get their NUL. */
static void *leaf_alloc(void *data, size_t size) {
        struct decoder *decoder = data;
        uint8_t *memory = size < SIZE_MAX ? arena_alloc(decoder->arena, size + 1) : NULL;
        if (memory)
                memory[size] = 0;
        else
                decoder->memory_ran_out = true;
        return memory;
}

static void leaf_free(void *data, void *memory) {
        (void)data;
        (void)memory;
}

int leaf_unpack(struct decoder *decoder, const ProtobufCMessageDescriptor *descriptor, struct bytes bytes,
                uint32_t unknown_max, ProtobufCMessage **ret_message) {
        struct scan scan = {.decoder = decoder, .unknown_left = unknown_max};
        int r = scan_message(&scan, descriptor, bytes, 0);
        if (r < 0)
                return r;
        ProtobufCAllocator allocator = {.alloc = leaf_alloc, .free = leaf_free, .allocator_data = decoder};
        *ret_message = protobuf_c_message_unpack(descriptor, &allocator, bytes.len, bytes.data);
        if (*ret_message)
                return 0;
        return decoder->memory_ran_out ? decoder_no_memory(decoder)
                                       : decoder_malformed(decoder, descriptor->short_name);
}

void leaf_put(struct wire_writer *writer, uint32_t number, const ProtobufCMessage *message) {
        size_t size = protobuf_c_message_get_packed_size(message);
        uint8_t *place = wire_room(writer, size + 15);
        if (!place)
                return;
        place = wire_varint(place, number << 3 | WIRE_BYTES);
        place = wire_varint(place, size);
        wire_advance(writer, place + protobuf_c_message_pack(message, place));
}
