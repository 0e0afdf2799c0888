/* libfyaml 0.7 loses a buffer of 512 bytes when a long quoted key is compared (fy_atom_iter_chunk_next, under
 * fy_node_get_scalar): no free of ours would help. The module stands here, not the function, since
 * LeakSanitizer knows no functions where llvm-symbolizer is missing; a tree of ours that is not freed is seen
 * by the ordinary builds, which replay the corpus without this. */
const char *__lsan_default_suppressions(void);

const char *__lsan_default_suppressions(void)
{
        return "leak:libfyaml.so";
}
