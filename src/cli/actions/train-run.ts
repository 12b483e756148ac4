import { type Device, openDevice } from '../../platform/index.ts'
import type { FitReport } from '../../train/index.ts'
import { Exit, exitCodes } from '../exit.ts'
import type { TrainFlags } from '../train.ts'
import type { TrainingReport } from './train-report.ts'

/** Enough for two digits of the loss; the whole held-out part of a large corpus would take longer than the training. */
export const mostValidationBatches = 64

/** Opens a device for a training, and closes it and the report when the work is done. */
export async function withDevice(
  { threads }: TrainFlags,
  report: TrainingReport,
  work: (device: Device) => Promise<void>,
): Promise<void> {
  try {
    const device = await openDevice(threads === undefined ? {} : { threads })
    try {
      await work(device)
    } finally {
      await device[Symbol.asyncDispose]()
    }
  } finally {
    report.close()
  }
}

/** Ends the command when a fit was stopped: its checkpoint lets `--resume` go on. */
export function endIfStopped(result: FitReport, report: TrainingReport): void {
  report.close()
  if (result.stopped !== 'aborted') return
  report.interrupted(result)
  throw new Exit(exitCodes.interrupted)
}
