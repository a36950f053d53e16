/* http_images.h - core/image's readers of pictures and drawings for the service (hosts/http_body.h). */
#ifndef PERI_BIND_HTTP_IMAGES_H
#define PERI_BIND_HTTP_IMAGES_H

#include "hosts/http_body.h"

/* A picture as perilune.draw.recogniser's predict_picture sees it with ink = "auto"; a drawing as its predict sees a
   canvas with these strokes, all of them as one digit. */
extern const peri_body_images peri_http_images;

#endif
