import { DataError, OptionError } from '../../base/errors.ts'
import { exists } from '../../platform/files.ts'
import { imageSystemIds, systemIds } from '../../systems/index.ts'
import { interruptible } from '../exit.ts'
import { type GivenOptions, type Modality, refuseForeign } from '../modality.ts'
import type { TrainFlags } from '../train.ts'

/** `nextx train`. */
export async function trainAction(flags: TrainFlags, { given, own }: GivenOptions): Promise<void> {
  const modality = modalityOfSystem(flags.system)
  refuseForeign(given, own, modality, `the system '${flags.system}'`)
  await refuseOverwriting(flags)
  await interruptible(async (signal) => {
    if (modality === 'text') await (await import('./train-text.ts')).trainText(flags, signal)
    else await (await import('./train-pictures.ts')).trainPictures(flags, signal)
  })
}

function modalityOfSystem(id: string): Modality {
  if (systemIds.includes(id)) return 'text'
  if (imageSystemIds.includes(id)) return 'pictures'
  throw new OptionError(`unknown system ${JSON.stringify(id)}`, {
    expected: `one of ${systemIds.join(', ')} (text), ${imageSystemIds.join(', ')} (pictures)`,
  })
}

/** Before the work, not after it. */
async function refuseOverwriting({ out, resume }: TrainFlags): Promise<void> {
  if (resume === true || !(await exists(out))) return
  throw new DataError(`'${out}' exists already`, { fix: 'give another folder with --out, or go on with the run by --resume' })
}
