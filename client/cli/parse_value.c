/* SPDX-License-Identifier: MIT */
/* parse_value.c: the values of extended attributes as hexadecimal or base64 text. */
#include <stdlib.h>
#include <string.h>

#include "client/cli/parse.h"

static const char hex_digits[] = "0123456789abcdef";
static const char base64_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

int parse_encoding(const char *text, enum value_encoding *ret_encoding, const char **ret_why) {
        if (strcmp(text, "hex") == 0)
                *ret_encoding = VALUE_HEX;
        else if (strcmp(text, "base64") == 0)
                *ret_encoding = VALUE_BASE64;
        else {
                *ret_why = "the encodings are hex and base64";
                return -1;
        }
        return 0;
}

static int digit_in(const char *digits, char c) {
        const char *at = c ? strchr(digits, c) : NULL;
        return at ? (int)(at - digits) : -1;
}

/* Bits flow in from the left, bytes out at the right. Returns the number of bytes, or -1 for a foreign character. */
static long decode_digits(const char *digits, unsigned bits_per_digit, const char *text, size_t len, uint8_t *out) {
        unsigned bits = 0;
        uint32_t held = 0;
        long n = 0;
        for (size_t i = 0; i < len; i++) {
                char c = bits_per_digit == 4 && text[i] >= 'A' && text[i] <= 'F' ? (char)(text[i] + 32) : text[i];
                int digit = digit_in(digits, c);
                if (digit < 0)
                        return -1;
                held = held << bits_per_digit | (uint32_t)digit;
                bits += bits_per_digit;
                if (bits >= 8) {
                        bits -= 8;
                        out[n++] = (uint8_t)(held >> bits);
                        held &= (1u << bits) - 1;
                }
        }
        return held == 0 && bits < bits_per_digit ? n : -1;
}

int value_decode(enum value_encoding encoding, const char *text, size_t len, uint8_t **ret_data, size_t *ret_len,
                 const char **ret_why) {
        bool hex = encoding == VALUE_HEX;
        while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == '\r'))
                len--;
        if (len >= 2 && text[0] == '0' && (text[1] == (hex ? 'x' : 's') || (hex && text[1] == 'X'))) {
                text += 2;
                len -= 2;
        }
        size_t padded = len;
        while (!hex && len > 0 && text[len - 1] == '=' && padded - len < 2)
                len--;
        uint8_t *out = malloc(len + 1);
        if (!out) {
                *ret_why = "out of memory";
                return -1;
        }
        long n = -1;
        if (padded % (hex ? 2 : 4) == 0 || (!hex && padded == len))
                n = hex ? decode_digits(hex_digits, 4, text, len, out)
                        : decode_digits(base64_digits, 6, text, len, out);
        if (n < 0) {
                *ret_why = hex ? "not hexadecimal: an even number of digits 0-9 a-f is expected" : "not base64";
                free(out);
                return -1;
        }
        *ret_data = out;
        *ret_len = (size_t)n;
        return 0;
}

static void encode_hex(const uint8_t *data, size_t len, char *out) {
        for (size_t i = 0; i < len; i++) {
                *out++ = hex_digits[data[i] >> 4];
                *out++ = hex_digits[data[i] & 15];
        }
        *out = 0;
}

static void encode_base64(const uint8_t *data, size_t len, char *out) {
        for (size_t i = 0; i < len; i += 3) {
                size_t n = len - i < 3 ? len - i : 3;
                uint32_t word =
                        (uint32_t)data[i] << 16 | (n > 1 ? (uint32_t)data[i + 1] << 8 : 0) | (n > 2 ? data[i + 2] : 0);
                for (size_t k = 0; k < 4; k++)
                        *out++ = k <= n ? base64_digits[word >> (18 - 6 * k) & 63] : '=';
        }
        *out = 0;
}

char *value_encode(enum value_encoding encoding, const uint8_t *data, size_t len) {
        char *out = malloc(len * 2 + 5);
        if (!out)
                return NULL;
        if (encoding == VALUE_BASE64)
                encode_base64(data, len, out);
        else if (encoding == VALUE_HEX)
                encode_hex(data, len, out);
        else {
                memcpy(out, data, len);
                out[len] = 0;
        }
        return out;
}
