/* Requests of RFC 27 as nobody should send them, to the real handler on its thread. Each is answered, in the
 * form of an answer, and only what names a known key in its domain by CURVE is let in.
 *
 * The input is cut into frames by lengths: a byte before each. Two bits of the first byte put the right
 * frames in front, so that the rest is reached. */
#include "fuzz/fuzz.h"

#include "fuzz/script.h"
#include "loop/zap.h"
#include "loop/zpoll.h"

#include <string.h>

enum { KEY = 32, FRAMES = 16, MOST = 300 };

static const uint8_t known[KEY] = {1, 2, 3};
static void *asks;

static void open_all(void)
{
        struct err e = {0};
        struct zap *zap;
        char curve[41];
        void *zmq = zpoll_context(&e);
        MUST(zmq && zap_start(&zap, zmq, &e) == 0);
        zmq_z85_encode(curve, known, KEY);
        struct zap_entry entry = {curve, "office", "150200"};
        MUST(zap_allow(zap, &entry, 1, &e) == 0);
        asks = zmq_socket(zmq, ZMQ_DEALER);
        MUST(asks && zmq_connect(asks, "inproc://zeromq.zap.01") == 0);
}

struct frame {
        uint8_t bytes[MOST];
        size_t n;
};

static struct frame frame_of(const void *bytes, size_t n)
{
        struct frame f = {.n = n};
        memcpy(f.bytes, bytes, n);
        return f;
}

/* Version, request, domain, address, routing id, mechanism, key. */
static size_t request(struct script *s, struct frame f[FRAMES])
{
        uint8_t right = script_byte(s);
        size_t n = 0;
        if (right & 1) {
                f[n++] = frame_of("1.0", 3);
                f[n++] = frame_of("1", 1);
        }
        if ((right & 3) == 3) {
                f[n++] = frame_of("office", 6);
                f[n++] = frame_of("127.0.0.1", 9);
                f[n++] = frame_of("", 0);
        }
        if ((right & 7) == 7)
                f[n++] = frame_of("CURVE", 5);
        if ((right & 15) == 15)
                f[n++] = frame_of(known, KEY);
        while (s->left && n < FRAMES) {
                size_t size = script_byte(s) + (size_t)(right >> 4 & 1) * 40;
                const uint8_t *p = script_bytes(s, &size);
                f[n++] = frame_of(p, size);
        }
        return n;
}

static bool frame_is(const struct frame *f, const void *bytes, size_t n)
{
        return f->n == n && memcmp(f->bytes, bytes, n) == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static struct frame f[FRAMES], answer[FRAMES];
        struct script s = {data, size};
        if (!asks)
                open_all();
        size_t n = request(&s, f), got = 0;
        if (n == 0)
                return 0;
        zmq_send(asks, "", 0, ZMQ_SNDMORE);
        for (size_t i = 0; i < n; i++)
                MUST(zmq_send(asks, f[i].bytes, f[i].n, i + 1 < n ? ZMQ_SNDMORE : 0) == (int)f[i].n);
        for (int more = 1; more; got++) {
                size_t room = sizeof more;
                MUST(got < FRAMES);
                int bytes = zmq_recv(asks, answer[got].bytes, MOST, 0);
                MUST(bytes >= 0 && bytes <= MOST);
                answer[got].n = (size_t)bytes;
                zmq_getsockopt(asks, ZMQ_RCVMORE, &more, &room);
        }
        bool right = n == 7 && frame_is(&f[0], "1.0", 3) && frame_is(&f[2], "office", 6) &&
                     frame_is(&f[5], "CURVE", 5) && frame_is(&f[6], known, KEY) && f[1].n <= 255;
        MUST(got == 7 && answer[0].n == 0 && frame_is(&answer[1], "1.0", 3));
        if (n > 1 && f[1].n <= 255)
                MUST(frame_is(&answer[2], f[1].bytes, f[1].n));
        if (f[1].n <= 255 || n < 2)
                MUST(frame_is(&answer[3], right ? "200" : "400", 3));
        MUST(frame_is(&answer[5], "150200", frame_is(&answer[3], "200", 3) ? 6 : 0));
        return 0;
}
