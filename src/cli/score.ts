import { type Command, Option } from 'commander'
import { addContext, type ContextFlags } from './context-flags.ts'
import { givenOptions, optionsAddedBy } from './modality.ts'
import { seed, threadCount } from './numbers.ts'

/** The options of scoring pictures as they were given. */
export interface PictureScoreFlags {
  readonly class?: string
  readonly labels?: string
  readonly part?: 'train' | 'test'
  readonly resize?: 'stretch' | 'contain' | 'cover'
  readonly seed?: number
}

export interface ScoreFlags extends ContextFlags, PictureScoreFlags {
  readonly json?: boolean
  readonly threads?: number
}

export function registerScore(program: Command): void {
  const command = program
    .command('score')
    .summary('say how likely a text is, or how likely pictures are')
    .description(
      'Says how likely a text is under a language model: nats and bits per token and per byte, perplexity. Or how likely pictures are under a model of these: nats, and bits per dimension where its values are pixels.',
    )
    .argument('<model>', 'a model folder, or the name of a model that ships with nextx: stories260K, garments')
    .argument('<file>', 'a UTF-8 file of any length, - reads stdin; of pictures: a PNG, JPEG or idx file, or a folder of them')
  const text = optionsAddedBy(command, addContext)
  const pictures = optionsAddedBy(command, addPictures)
  command
    .optionsGroup('Options:')
    .option('--json', 'print a JSON object')
    .option('--threads <count>', 'threads of one operation (default: the physical cores)', threadCount)
    .addHelpText('after', examples)
    .action(async (model: string, file: string, flags: ScoreFlags) => {
      const { scoreAction } = await import('./actions/score.ts')
      await scoreAction(model, file, flags, { given: givenOptions(command), own: { text, pictures } })
    })
}

function addPictures(command: Command): void {
  command
    .optionsGroup('Pictures:')
    .option('--class <class>', 'name or number of the class of all (default: those of the folders or labels)')
    .option('--labels <file>', 'the idx file of labels that belongs to an idx file of pictures')
    .addOption(new Option('--part <part>', 'which idx files of a folder (default: train)').choices(['train', 'test']))
    .addOption(
      new Option('--resize <how>', "bring pictures to the model's size and channels").choices(['stretch', 'contain', 'cover']),
    )
    .option('--seed <number>', 'of the noise that turns 8-bit levels into numbers (default: 1)', seed)
}

const examples = `
Examples:
  nextx score stories260K story.txt
  nextx generate stories260K --seed 1 < /dev/null | nextx score stories260K - --json
  nextx score my-pictures held-out/ --json`
