/* h5frames.h - what the reader child sends: a magic word, frames, and a last frame.

   Numbers are little-endian. A frame is one byte that says its kind, then:
     'G'  path                                   a group; later attributes belong to it
     'T'  path, u8 dtype, u8 ndim, u64 size each, the elements
                                                 a tensor; later attributes belong to it
     'A'  name, text                             a text attribute
     'L'  name, u32 count, a text each           a list of texts
     'E'  text                                   the child gives up, and why; nothing follows
     '.'                                         the tree is complete; nothing follows
   A path, a name or a text is a u32 length and its bytes. A path begins with '/'; that of the root
   is "/". dtype is 0 float32, 1 float64, 2 int64, 3 uint8. */
#ifndef PERI_HOSTS_H5FRAMES_H
#define PERI_HOSTS_H5FRAMES_H

#define PERI_H5_MAGIC "PERIH5\1\n"

enum {
  PERI_H5_MAGIC_BYTES = 8,
  PERI_H5_MAX_PATH = 4096,       /* bytes of a path or an attribute's name */
  PERI_H5_MAX_TEXT = 1 << 26,    /* bytes of one text */
  PERI_H5_MAX_LIST = 1 << 20,    /* texts in one list */
  PERI_H5_MAX_OBJECTS = 1 << 14, /* groups and tensors */
  PERI_H5_MAX_DEPTH = 32,        /* components of a path */
  PERI_H5_MAX_DIMS = 8,
  PERI_H5_EXIT_DAMAGED = 3 /* the child's exit status when it gives up in the middle of a frame */
};

/* What a file of `size` bytes may hold at most: deflate packs 1032 to 1, and datasets that were never
   written cost nothing, so a megabyte is free. */
#define PERI_H5_LIMIT(size) ((uint64_t)(size) * 1100 + (1 << 20))

#endif
