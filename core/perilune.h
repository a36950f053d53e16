/* perilune.h - the one header that a C program includes; it brings in the public ones and is their tour.

   Perilune's core is a C library without Lua: tensors, automatic differentiation, layers, optimisers and
   readers of data. Build with `cc program.c $(pkg-config --cflags --libs perilune)`.

   TOUR, in the order in which one part stands on another
     base/status.h      every function that can fail returns an int, negative on failure; peri_message() says,
                        for a person, what was wrong, where, and what was expected
     base/memory.h      counted memory; peri_memory_live()
     base/arena.h       memory planned once for work that is done again and again
     base/rng.h         counter-based random numbers; peri_seed()
     base/threads.h     peri_threads_set(); results do not depend on the number of threads
     base/interrupt.h   peri_interrupt_raise() stops long work, from a signal handler too
     kernels/kernels.h  the tables of functions that compute, one an element type; peri_isa()
     tensor/tensor.h    shapes, views, copies, printing
     grad/tape.h        peri_tensor_require_grad(), peri_backward(), peri_gradients()
     grad/call.h        ops: peri_op_find("conv2d"), peri_apply(); an op's signature says its arguments
     layers/layer.h     layers: peri_layer_type_find("Dense"), peri_layer_new(), peri_layer_forward()
     layers/fuse.h      which runs of layers are one op; peri_fusion_set_enabled()
     layers/compile.h   a net made ready to run and nothing else: peri_compile(), peri_compiled_run()

   LIFETIMES
     What an `out` parameter receives is new: the caller owns one reference and gives it up with
     peri_tensor_release or peri_layer_release. What a function returns as a pointer is borrowed unless its
     name says retain. Containers and graphs keep references of their own.

   ERRORS
     The core never exits, never prints, never jumps. On failure outputs are not touched, and the message of
     this thread is set.

   THREADS
     The library is used from one thread at a time; it runs its own workers inside a call.

   EXAMPLE
     const peri_op *matmul = peri_op_find("matmul");
     peri_tensor *a, *b, *c;
     peri_tensor_full(&a, PERI_F32, 2, (int64_t[]){2, 3}, 1.5);
     peri_tensor_full(&b, PERI_F32, 2, (int64_t[]){3, 2}, 2.0);
     if (PERI_CALL(&c, *matmul, PERI_T(a), PERI_T(b)) < 0) puts(peri_message()); */
#ifndef PERILUNE_H
#define PERILUNE_H

#ifdef __cplusplus
extern "C" {
#endif

#include "base/arena.h"
#include "base/interrupt.h"
#include "base/memory.h"
#include "base/rng.h"
#include "base/status.h"
#include "base/threads.h"
#include "grad/call.h"
#include "grad/tape.h"
#include "kernels/kernels.h"
#include "layers/compile.h"
#include "layers/fuse.h"
#include "layers/layer.h"
#include "tensor/tensor.h"

#ifdef __cplusplus
}
#endif

#endif
