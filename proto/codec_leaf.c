/* SPDX-License-Identifier: MIT */
/*
 * codec_leaf.c: the small messages, as protobuf-c describes them. protobuf-c takes what it is given: it cuts a uid of
 * 2^32 down to 0, merges a message that comes twice, keeps every field it does not know. So each message is looked
 * through first, and only one that means the same to everybody is unpacked.
 *
 * Most of them hold nothing but numbers and bytes. Those are taken while they are looked through, and put in one go, as
 * their descriptor says: protobuf-c would go over each of them twice more. It gets those with messages or lists inside.
 */
#include "proto/codec_internal.h"

#include <string.h>

#define LEAF_DEPTH_MAX 4u

struct scan {
        struct decoder *decoder;
        uint32_t unknown_left;
        ProtobufCMessage *taken; /* what is looked through is put in here as far as it is flat; NULL: it is not */
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

/* The field of a number: mostly they are numbered from 1 on without a gap. */
static const ProtobufCFieldDescriptor *find_field(const ProtobufCMessageDescriptor *descriptor, uint32_t number) {
        if (number - 1 < descriptor->n_fields && descriptor->fields[number - 1].id == number)
                return &descriptor->fields[number - 1];
        return protobuf_c_message_descriptor_get_field(descriptor, number);
}

static void *member(const ProtobufCMessage *message, unsigned offset) {
        return (uint8_t *)(uintptr_t)message + offset;
}

static int take_bytes(struct decoder *decoder, struct bytes bytes, ProtobufCBinaryData *ret) {
        struct bytes copy = {0};
        if (bytes.len)
                copy = arena_copy(decoder->arena, bytes);
        if (copy.len != bytes.len)
                return decoder_no_memory(decoder);
        *ret = leaf_data(copy);
        return 0;
}

/* Puts a field that was found to be right where it belongs, or finds that the message is none for us. */
static int take_field(struct scan *scan, const ProtobufCFieldDescriptor *known, const struct wire_field *field) {
        void *place = member(scan->taken, known->offset);
        if (known->label != PROTOBUF_C_LABEL_OPTIONAL) {
                scan->taken = NULL;
                return 0;
        }
        switch (known->type) {
        case PROTOBUF_C_TYPE_UINT32:
        case PROTOBUF_C_TYPE_ENUM:
                *(uint32_t *)place = (uint32_t)field->value;
                break;
        case PROTOBUF_C_TYPE_BOOL:
                *(protobuf_c_boolean *)place = field->value != 0;
                break;
        case PROTOBUF_C_TYPE_UINT64:
                *(uint64_t *)place = field->value;
                break;
        case PROTOBUF_C_TYPE_BYTES:
                if (take_bytes(scan->decoder, field->bytes, place) < 0)
                        return -FSOP_ENOMEM;
                break;
        default:
                scan->taken = NULL;
                return 0;
        }
        *(protobuf_c_boolean *)member(scan->taken, known->quantifier_offset) = 1;
        return 0;
}

static int scan_message(struct scan *scan, const ProtobufCMessageDescriptor *descriptor, struct bytes bytes,
                        unsigned depth);

static int scan_field(struct scan *scan, const ProtobufCMessageDescriptor *descriptor, const struct wire_field *field,
                      uint64_t *seen, unsigned depth) {
        struct decoder *decoder = scan->decoder;
        const ProtobufCFieldDescriptor *known = find_field(descriptor, field->number);
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
        if (scan->taken && take_field(scan, known, field) < 0)
                return -FSOP_ENOMEM;
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
        scan.taken = arena_alloc(decoder->arena, descriptor->sizeof_message);
        if (!scan.taken)
                return decoder_no_memory(decoder);
        protobuf_c_message_init(descriptor, scan.taken);
        int r = scan_message(&scan, descriptor, bytes, 0);
        if (r < 0)
                return r;
        *ret_message = scan.taken;
        if (scan.taken)
                return 0;
        ProtobufCAllocator allocator = {.alloc = leaf_alloc, .free = leaf_free, .allocator_data = decoder};
        *ret_message = protobuf_c_message_unpack(descriptor, &allocator, bytes.len, bytes.data);
        if (*ret_message)
                return 0;
        return decoder->memory_ran_out ? decoder_no_memory(decoder)
                                       : decoder_malformed(decoder, descriptor->short_name);
}

static bool is_flat(const ProtobufCMessage *message) {
        for (unsigned i = 0; i < message->descriptor->n_fields; i++) {
                const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];
                if (field->label == PROTOBUF_C_LABEL_REPEATED) {
                        if (*(const size_t *)member(message, field->quantifier_offset))
                                return false;
                } else if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
                        if (*(void *const *)member(message, field->offset))
                                return false;
                } else if (field->type != PROTOBUF_C_TYPE_UINT32 && field->type != PROTOBUF_C_TYPE_ENUM &&
                           field->type != PROTOBUF_C_TYPE_BOOL && field->type != PROTOBUF_C_TYPE_UINT64 &&
                           field->type != PROTOBUF_C_TYPE_BYTES)
                        return false;
        }
        return true;
}

static void put_field(struct wire_writer *writer, const ProtobufCMessage *message,
                      const ProtobufCFieldDescriptor *field) {
        const void *place = member(message, field->offset);
        switch (field->type) {
        case PROTOBUF_C_TYPE_BYTES:
                wire_put_bytes_always(writer, field->id, leaf_bytes(*(const ProtobufCBinaryData *)place));
                break;
        case PROTOBUF_C_TYPE_UINT64:
                wire_put_uint_always(writer, field->id, *(const uint64_t *)place);
                break;
        case PROTOBUF_C_TYPE_BOOL:
                wire_put_uint_always(writer, field->id, *(const protobuf_c_boolean *)place != 0);
                break;
        default:
                wire_put_uint_always(writer, field->id, *(const uint32_t *)place);
        }
}

static void put_flat(struct wire_writer *writer, uint32_t number, const ProtobufCMessage *message) {
        struct wire_mark mark = wire_begin(writer, number, 0);
        for (unsigned i = 0; i < message->descriptor->n_fields; i++) {
                const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];
                if (field->label == PROTOBUF_C_LABEL_OPTIONAL && field->type != PROTOBUF_C_TYPE_MESSAGE &&
                    *(const protobuf_c_boolean *)member(message, field->quantifier_offset))
                        put_field(writer, message, field);
        }
        wire_end(writer, mark);
}

void leaf_put(struct wire_writer *writer, uint32_t number, const ProtobufCMessage *message) {
        if (is_flat(message)) {
                put_flat(writer, number, message);
                return;
        }
        size_t size = protobuf_c_message_get_packed_size(message);
        uint8_t *place = wire_room(writer, size + 15);
        if (!place)
                return;
        place = wire_varint(place, number << 3 | WIRE_BYTES);
        place = wire_varint(place, size);
        wire_advance(writer, place + protobuf_c_message_pack(message, place));
}
