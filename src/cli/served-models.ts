import { type Command, InvalidArgumentError } from 'commander'
import { threadCount, wholeNumber } from './numbers.ts'

/** A model as it was named on the command line. */
export interface ModelFlag {
  /** What requests call it. */
  readonly name: string
  /** A file, a folder, or the name of a model that ships with nextx. */
  readonly model: string
}

/** The options of a service inside a command. */
export interface ServiceFlags {
  readonly model?: readonly ModelFlag[]
  readonly chatTemplate?: string
  readonly concurrency?: number
  readonly threads?: number
  /** In MiB. */
  readonly memory?: number
  /** In MiB. */
  readonly prefixCache?: number
  readonly context?: number
}

/** Adds `--model` and what else a service inside a command takes. */
export function addService(command: Command): void {
  command
    .option(
      '-m, --model <name=model>',
      'a model, and what requests call it (default: its last folder or file); may be given several times',
      collectModel,
    )
    .option('--chat-template <file>', "Jinja template of conversations, in the place of the models' own")
    .option('--concurrency <count>', 'requests at once (default: 16)', wholeNumber(1, 4096))
    .option('--threads <count>', 'threads of one operation (default: the physical cores)', threadCount)
    .option('--memory <MiB>', 'of all loaded models (default: 8192)', wholeNumber(1, 2 ** 30))
    .option('--prefix-cache <MiB>', 'of kept states, of each language model (default: 256)', wholeNumber(0, 2 ** 30))
    .option('--context <tokens>', 'of a sequence, where it is to be other than a model says', wholeNumber(1))
}

/** Names of the options that `addService` adds. */
export const serviceFlags = ['model', 'chatTemplate', 'concurrency', 'threads', 'memory', 'prefixCache', 'context'] as const

function collectModel(text: string, before: readonly ModelFlag[] = []): ModelFlag[] {
  const [, named, model = text] = /^([^=/\\]+)=(.+)$/.exec(text) ?? []
  const name =
    named ??
    model
      .replace(/[/\\]+$/, '')
      .split(/[/\\]/)
      .at(-1)!
  if (name === '') throw new InvalidArgumentError('Expected a model, or name=model.')
  if (before.some((other) => other.name === name)) throw new InvalidArgumentError(`Two models are called '${name}'.`)
  return [...before, { name, model }]
}
