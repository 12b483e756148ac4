import process from 'node:process'
import { Command, CommanderError } from 'commander'
import { NextxError } from '../base/errors.ts'
import { packageVersion } from '../platform/package-version.ts'
import { registerBatch, registerBatchWorker } from './batch.ts'
import { registerChat } from './chat.ts'
import { registerDoctor } from './doctor.ts'
import { Exit, exitCodes } from './exit.ts'
import { registerExport } from './export.ts'
import { registerBacktest, registerForecast } from './forecast.ts'
import { registerGenerate } from './generate.ts'
import { registerInspect } from './inspect.ts'
import { registerQuantize } from './quantize.ts'
import { registerScore } from './score.ts'
import { registerServe } from './serve.ts'
import { note, noteError } from './terminal.ts'
import { registerTrain } from './train.ts'

/** Carries out a command line; the exit code. */
export async function run(args: readonly string[]): Promise<number> {
  process.stderr.on('error', () => undefined)
  process.stdout.on('error', endAtBrokenOutput)
  const program = createProgram()
  try {
    await program.parseAsync(args, { from: 'user' })
    return 0
  } catch (error) {
    return report(error, program.opts<{ debug?: boolean }>().debug === true)
  }
}

function createProgram(): Command {
  const program = new Command('nextx')
    .description('Train, sample, score and export autoregressive models.')
    .version(packageVersion(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .helpCommand('help [command]', 'print the help of a command')
    .option('--debug', 'print stack traces of errors')
    .configureHelp({ showGlobalOptions: true })
    .exitOverride()
    .showHelpAfterError('(--help shows what there is)')
    .addHelpText('after', overview)
  const registrations = [
    registerGenerate,
    registerChat,
    registerScore,
    registerTrain,
    registerForecast,
    registerBacktest,
    registerServe,
    registerBatch,
    registerBatchWorker,
    registerQuantize,
    registerExport,
    registerInspect,
    registerDoctor,
  ]
  for (const register of registrations) register(program)
  return program
}

const overview = `
Results go to stdout, everything else to stderr. Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted.

Examples:
  nextx generate stories260K "Once upon a time" --temperature 0.8
  nextx generate garments --class dress --n 4 --guidance 1.5
  nextx train --data corpus.txt --steps 2000 --out model
  nextx forecast sales.csv --horizon 24
  nextx serve stories260K
  nextx doctor`

function report(error: unknown, debug: boolean): number {
  if (error instanceof Exit) return error.exitCode
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : exitCodes.usage
  noteError(describe(error))
  if (debug) note(stackOf(error))
  return exitCodes.failed
}

function describe(error: unknown): string {
  if (error instanceof NextxError) return error.message
  const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
  return `${message} (a fault of nextx itself: please report it with the output of --debug)`
}

function stackOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const cause = error.cause === undefined ? '' : `\ncaused by ${stackOf(error.cause)}`
  return `${error.stack ?? error.message}${cause}`
}

/** The reader of a pipe may leave when it has enough; a disk that is full is a failure. */
function endAtBrokenOutput(error: Error & { readonly code?: string }): void {
  if (error.code !== 'EPIPE') noteError(`cannot write the output: ${error.message}`)
  process.exit(error.code === 'EPIPE' ? 0 : exitCodes.failed)
}
