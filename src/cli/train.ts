import { type Command, InvalidArgumentError, Option } from 'commander'
import { givenOptions, optionsAddedBy } from './modality.ts'
import { decayRate, fraction, notNegative, positive, seed, sides, threadCount, wholeNumber } from './numbers.ts'

/** How text becomes ids: a tokenizer to be made, or the file of one. */
export type TokenizerFlag = 'bytes' | 'characters' | { readonly bpe: number } | { readonly path: string }

/** The options of training on pictures as they were given. */
export interface PictureTrainFlags {
  readonly size?: readonly [height: number, width: number]
  readonly resize?: 'stretch' | 'contain' | 'cover'
  readonly channels?: 1 | 3
  readonly flip?: boolean
  readonly tokenizerSteps: number
  readonly samples: number
}

/** The options of `nextx train` as they were given. */
export interface TrainFlags extends PictureTrainFlags {
  readonly data: readonly string[]
  readonly format: 'text' | 'lines' | 'jsonl'
  readonly field?: string
  readonly validation: number
  readonly tokenizer?: TokenizerFlag
  readonly out: string
  readonly system: string
  readonly preset: string
  readonly context?: number
  readonly steps: number
  readonly batch?: number
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
    .description(
      'Trains a language model from scratch on text files, or a model of pictures, with its tokenizer, on picture files. The model goes to a folder that other commands take.',
    )
  addData(command)
  const text = optionsAddedBy(command, addText)
  const pictures = optionsAddedBy(command, addPictures)
  addModel(command)
  addTraining(command)
  addRun(command)
  const own = { text: [...text, 'samplePrompt'], pictures }
  command.addHelpText('after', examples).action(async (flags: TrainFlags) => {
    if (flags.field !== undefined && flags.format !== 'jsonl') command.error("error: option '--field' needs '--format jsonl'")
    const { trainAction } = await import('./actions/train.ts')
    await trainAction(flags, { given: givenOptions(command), own })
  })
}

function addData(command: Command): void {
  command
    .optionsGroup('Data:')
    .requiredOption(
      '-d, --data <files...>',
      'names, folders or quoted glob patterns of UTF-8 files; !pattern takes files out. Of pictures: a folder of PNG and JPEG files, with a subfolder for each class or none; or idx files, or their folder',
    )
    .option(
      '--validation <fraction>',
      'share held out: of the documents or pictures, or the end of a single document',
      fraction,
      0.1,
    )
    .option(
      '--tokenizer <kind>',
      `characters (default for text), bytes, bpe:<size>, or the path of a tokenizer file; for pictures ${pictureTokenizers}, or the folder of a trained one (default: what suits the system)`,
      parseTokenizer,
    )
}

const pictureTokenizers =
  'vq[:codes], fsq[:levels], bae[:bits], vae[:channels], multi-scale[:carry], pyramid[:channels], pivots[:channels] (a pyramid of two), patches[:size]'

function addText(command: Command): void {
  const format = new Option('--format <format>', 'what a document is: a file, a line, or a field of a JSON line')
  command
    .optionsGroup('Text:')
    .addOption(format.choices(['text', 'lines', 'jsonl']).default('text'))
    .option('--field <name>', "with --format jsonl: the field that holds the text (default: 'text')")
    .option('--context <tokens>', "tokens that a prediction looks back on (default: the preset's)", wholeNumber(1, 2 ** 20))
}

function addPictures(command: Command): void {
  const resize = new Option('--resize <how>', 'how pictures come to --size (default: cover)').choices([
    'stretch',
    'contain',
    'cover',
  ])
  command
    .optionsGroup('Pictures:')
    .option(
      '--size <height[xwidth]>',
      'bring all pictures to this size (default: as they are, all of one size)',
      sides(2, 'pixels'),
    )
    .addOption(resize)
    .addOption(
      new Option('--channels <count>', '1: grey, 3: colours (default: as they are)').choices(['1', '3']).argParser(parseChannels),
    )
    .option('--flip', 'learn from mirror images too')
    .option('--tokenizer-steps <count>', 'updates of the tokenizer, before those of the model', wholeNumber(1), 1500)
    .option('--samples <count>', 'pictures drawn at every validation', wholeNumber(1, 256), 8)
}

function addModel(command: Command): void {
  command
    .optionsGroup('Model:')
    .option('--system <id>', 'for text gpt or llama; for pictures var, elm, nar, maskgit, xar, starflow and others', 'gpt')
    .option(
      '--preset <name>',
      'sizes: tiny (of text 0.8M parameters), small (4.8M), for gpt also base (85M and the vocabulary)',
      'tiny',
    )
}

function addTraining(command: Command): void {
  const schedule = new Option('--schedule <name>', 'how the learning rate changes').choices(['cosine', 'wsd', 'constant'])
  const optimizer = new Option('--optimizer <name>', 'update rule').choices(['adamw', 'lion', 'muon'])
  command
    .optionsGroup('Training:')
    .option('-n, --steps <count>', 'updates in all, those before --resume included', wholeNumber(1), 1000)
    .option('--batch <count>', 'sequences or pictures per batch (default: 16, of pictures 32)', wholeNumber(1))
    .option('--accumulate <count>', 'batches per update', wholeNumber(1), 1)
    .option(
      '--learning-rate <number>',
      'the highest rate (default: 0.003 at width 128, of pictures 0.002 at 96, in inverse proportion to it; for lion a fifth)',
      positive,
    )
    .addOption(schedule.default('cosine'))
    .option('--warmup <steps>', 'updates of rising rate (default: a twentieth of the steps, at most 100)', wholeNumber(0))
    .addOption(optimizer.default('adamw'))
    .option('--weight-decay <number>', 'share of a matrix taken off per update, times the rate', notNegative, 0.1)
    .option('--clip <norm>', "limit of the gradients' norm", positive, 1)
    .option('--ema <decay>', 'keep and validate an average of the weights with this decay, such as 0.999', decayRate)
    .option('--seed <number>', 'of weights, batches and what is held out', seed, 1)
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
  nextx train --data corpus.txt --steps 6000 --out my-model --resume
  nextx train --system var --data pictures/ --size 28 --channels 1 --steps 4000 --out my-pictures`

function parseChannels(text: string): 1 | 3 {
  if (text === '1' || text === '3') return text === '1' ? 1 : 3
  throw new InvalidArgumentError('Allowed choices are 1, 3.')
}

function parseTokenizer(text: string): TokenizerFlag {
  if (text === 'bytes' || text === 'characters') return text
  if (text.startsWith('bpe:')) return { bpe: wholeNumber(256, 2 ** 21)(text.slice('bpe:'.length)) }
  if (text === '') throw new InvalidArgumentError('Expected bytes, characters, bpe:<size>, or a path.')
  return { path: text }
}
