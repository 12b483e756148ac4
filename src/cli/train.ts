import { type Command, InvalidArgumentError, Option } from 'commander'
import { decayRate, fraction, notNegative, positive, seed, threadCount, wholeNumber } from './numbers.ts'

/** How text becomes ids: a tokenizer to be made, or the file of one. */
export type TokenizerFlag = 'bytes' | 'characters' | { readonly bpe: number } | { readonly path: string }

/** The options of `nextx train` as they were given. */
export interface TrainFlags {
  readonly data: readonly string[]
  readonly format: 'text' | 'lines' | 'jsonl'
  readonly field?: string
  readonly validation: number
  readonly tokenizer: TokenizerFlag
  readonly out: string
  readonly system: string
  readonly preset: string
  readonly context?: number
  readonly steps: number
  readonly batch: number
  readonly accumulate: number
  readonly learningRate?: number
  readonly schedule: 'cosine' | 'wsd' | 'constant'
  readonly warmup?: number
  readonly optimizer: 'adamw' | 'lion' | 'muon'
  readonly weightDecay: number
  readonly clip: number
  readonly ema?: number
  readonly seed: number
  readonly validateEvery?: number
  readonly checkpointEvery?: number
  readonly resume?: boolean
  readonly log?: string
  readonly samplePrompt?: string
  readonly json?: boolean
  readonly threads?: number
}

export function registerTrain(program: Command): void {
  const command = program
    .command('train')
    .summary('train a model from scratch')
    .description('Trains a language model from scratch on text files. The model goes to a folder that all other commands take.')
  addData(command)
  addModel(command)
  addTraining(command)
  addRun(command)
  command.addHelpText('after', examples).action(async (flags: TrainFlags) => {
    if (flags.field !== undefined && flags.format !== 'jsonl') command.error("error: option '--field' needs '--format jsonl'")
    const { trainAction } = await import('./actions/train.ts')
    await trainAction(flags)
  })
}

function addData(command: Command): void {
  const format = new Option('--format <format>', 'what a document is: a file, a line, or a field of a JSON line')
  command
    .optionsGroup('Data:')
    .requiredOption('-d, --data <files...>', 'names, folders or quoted glob patterns of UTF-8 files; !pattern takes files out')
    .addOption(format.choices(['text', 'lines', 'jsonl']).default('text'))
    .option('--field <name>', "with --format jsonl: the field that holds the text (default: 'text')")
    .option('--validation <fraction>', 'share held out: of the documents, or the end of a single one', fraction, 0.1)
    .option('--tokenizer <kind>', 'bytes, characters, bpe:<size>, or the path of a tokenizer file', parseTokenizer, 'characters')
}

function addModel(command: Command): void {
  command
    .optionsGroup('Model:')
    .option('--system <id>', 'gpt or llama', 'gpt')
    .option('--preset <name>', 'sizes: tiny (0.8M parameters), small (4.8M), for gpt also base (85M and the vocabulary)', 'tiny')
    .option('--context <tokens>', "tokens that a prediction looks back on (default: the preset's)", wholeNumber(1, 2 ** 20))
}

function addTraining(command: Command): void {
  const schedule = new Option('--schedule <name>', 'how the learning rate changes').choices(['cosine', 'wsd', 'constant'])
  const optimizer = new Option('--optimizer <name>', 'update rule').choices(['adamw', 'lion', 'muon'])
  command
    .optionsGroup('Training:')
    .option('-n, --steps <count>', 'updates in all, those before --resume included', wholeNumber(1), 1000)
    .option('--batch <count>', 'sequences per batch', wholeNumber(1), 16)
    .option('--accumulate <count>', 'batches per update', wholeNumber(1), 1)
    .option(
      '--learning-rate <number>',
      'the highest rate (default: 0.003 at width 128, in inverse proportion to it; for lion a fifth)',
      positive,
    )
    .addOption(schedule.default('cosine'))
    .option('--warmup <steps>', 'updates of rising rate (default: a twentieth of the steps, at most 100)', wholeNumber(0))
    .addOption(optimizer.default('adamw'))
    .option('--weight-decay <number>', 'share of a matrix taken off per update, times the rate', notNegative, 0.1)
    .option('--clip <norm>', "limit of the gradients' norm", positive, 1)
    .option('--ema <decay>', 'keep and validate an average of the weights with this decay, such as 0.999', decayRate)
    .option('--seed <number>', 'of weights, batches and held-out documents', seed, 1)
}

function addRun(command: Command): void {
  command
    .optionsGroup('Run:')
    .option('-o, --out <folder>', 'where the model goes; its checkpoints go to <folder>-checkpoints', 'model')
    .option('--resume', 'go on from the last checkpoint; give the other options as before')
    .option('--checkpoint-every <steps>', 'updates between checkpoints (default: as --validate-every)', wholeNumber(1))
    .option('--validate-every <steps>', 'updates between validations (default: a tenth of the steps)', wholeNumber(1))
    .option('--sample-prompt <text>', 'what the samples at validations begin with')
    .option('--log <file>', 'append every event to a file as a line of JSON')
    .option('--json', 'print every event and sample as a line of JSON')
    .option('--threads <count>', 'threads of one operation (default: the physical cores)', threadCount)
}

const examples = `
Examples:
  nextx train --data corpus.txt --steps 3000 --out my-model
  nextx train --data "stories/*.jsonl" --format jsonl --field story --tokenizer bpe:2048 --preset small
  nextx train --data corpus.txt --steps 6000 --out my-model --resume`

function parseTokenizer(text: string): TokenizerFlag {
  if (text === 'bytes' || text === 'characters') return text
  if (text.startsWith('bpe:')) return { bpe: wholeNumber(256, 2 ** 21)(text.slice('bpe:'.length)) }
  if (text === '') throw new InvalidArgumentError('Expected bytes, characters, bpe:<size>, or a path.')
  return { path: text }
}
