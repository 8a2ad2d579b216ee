import { globe } from './globe.ts'
import { landscape } from './landscape.ts'
import { tile } from './mandelbrot.ts'
import { blur, histogram, palette, thumbnail } from './picture.ts'

/** All that is heavy on this page: plain functions, to be run in a worker or, for comparison, right here. */
export const handlers = { tile, globe, landscape, thumbnail, histogram, palette, blur }
