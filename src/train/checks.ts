import * as v from 'valibot'

/** In [0, 1). */
export const decayRate = v.pipe(v.number(), v.minValue(0), v.ltValue(1))
