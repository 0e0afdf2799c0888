#include "world/options.h"

#include <string.h>

static const struct row {
        const char *name, *what;
        uint32_t least, most, often;
} options[] =
    {
#define OPTION(name, least, most, often, what) {#name, what, least, most, often},
#include "world/options.def"
#undef OPTION
},
  faults[] = {
#define FAULT(name, most, often, what) {#name, what, 0, most, often},
#include "world/faults.def"
#undef FAULT
};

enum { OPTIONS = sizeof options / sizeof *options };

const char *fault_word(enum fault_kind k)
{
        return faults[k].what;
}

static uint32_t draw(const struct row *r, struct seed *s)
{
        bool drawn = seed_below(s, 100) < r->often;
        uint64_t more = seed_below(s, (uint64_t)(r->most - r->least) + 1);
        return r->least + (drawn ? (uint32_t)more : 0);
}

void options_draw(struct options *o, struct seed *s)
{
        uint32_t v[OPTIONS];
        for (size_t i = 0; i < OPTIONS; i++)
                v[i] = draw(&options[i], s);
        size_t at = 0;
#define OPTION(name, least, most, often, what) o->name = v[at++];
#include "world/options.def"
#undef OPTION
        for (size_t i = 0; i < FAULTS; i++)
                o->faults[i] = draw(&faults[i], s);
        /* Two machines with the same outbox, one of which has forked, and a store put back to before that: HQ
         * cannot know that what the other still holds under its old numbers is what the first queued again
         * (docs/guarantees.md, "Not promised"). */
        if (o->faults[FAULT_COPY_OFFICE])
                o->faults[FAULT_RESTORE_SINK] = 0;
}

void options_print(const struct options *o, struct text *out)
{
#define OPTION(name, least, most, often, what) \
        if (o->name)                           \
                text_printf(out, " " #name "=%u", o->name);
#include "world/options.def"
#undef OPTION
        for (size_t i = 0; i < FAULTS; i++)
                if (o->faults[i])
                        text_printf(out, " %s=%u", faults[i].name, o->faults[i]);
}
