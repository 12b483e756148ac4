import { OptionError } from '../base/errors.ts'
import type { HostMatrix } from './resize.ts'
import { checkSizes } from './sizes.ts'

/**
 * The matrix `[size, size]` that keeps the frequencies |ω| ≤ cutoff of a periodic axis and removes the others: IDFT · mask · DFT, which is
 * real. On both axes it is the ideal low-pass under the maximum norm. Throws OptionError unless the size is odd and 0 ≤ cutoff ≤
 * (size − 1) / 2: the highest frequency of an even size stands for two that cannot be told apart, and needs a rule of its own.
 */
export function bandMatrix(size: number, cutoff: number): HostMatrix {
  const highest = highestFrequency(size, 'size')
  if (!Number.isSafeInteger(cutoff) || cutoff < 0 || cutoff > highest)
    throw new OptionError(`cutoff is ${cutoff}`, { expected: `an integer from 0 to ${highest} for size ${size}` })
  return trigonometric(size, size, cutoff)
}

/**
 * The matrix `[to, from]` between odd grids of one periodic axis that keeps all frequencies both have: up, the zero-padded DFT, which
 * loses nothing; down, the ideal low-pass and then the coarser grid. Values keep their scale (a constant stays as it is), and both grids
 * begin at the same point. Throws OptionError on even sizes.
 */
export function bandResizeMatrix(from: number, to: number): HostMatrix {
  return trigonometric(from, to, Math.min(highestFrequency(from, 'from'), highestFrequency(to, 'to')))
}

/** Trigonometric interpolation at i / to of values at j / from: Σ_{|k| ≤ cutoff} e^{2πik(i/to − j/from)} / from. */
function trigonometric(from: number, to: number, cutoff: number): HostMatrix {
  const values = Float64Array.from({ length: to * from }, (_, at) => {
    const [output, input] = [Math.floor(at / from), at % from]
    // The angle's numerator modulo the period, which keeps it exact.
    const turn = (output * from - input * to) % (from * to)
    let sum = 1
    for (let k = 1; k <= cutoff; k++) sum += 2 * Math.cos((2 * Math.PI * ((k * turn) % (from * to))) / (from * to))
    return sum / from
  })
  return { rows: to, columns: from, values }
}

function highestFrequency(size: number, name: string): number {
  checkSizes({ [name]: size })
  if (size % 2 === 1) return (size - 1) / 2
  throw new OptionError(`${name} is ${size}`, {
    expected: 'an odd size',
    fix: 'an even one has a Nyquist frequency, for which bands have no rule',
  })
}
