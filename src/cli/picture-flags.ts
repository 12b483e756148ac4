import { type Command, Option } from 'commander'
import { notNegative, wholeNumber } from './numbers.ts'

/** The options of drawing pictures as they were given. */
export interface PictureFlags {
  readonly class?: readonly string[]
  readonly n?: number
  readonly guidance?: number
  readonly steps?: number
  readonly innerSteps?: number
  readonly method?: 'euler' | 'heun' | 'ab2' | 'ddpm'
  readonly choiceTemperature?: number
  readonly out?: string
  readonly columns?: number
  readonly scale?: number
  readonly preview?: boolean
}

/** Adds what only models of pictures take. */
export function addPictureOptions(command: Command): void {
  command
    .optionsGroup('Pictures:')
    .option('--class <class...>', 'names or numbers of classes; several take turns')
    .option('--n <count>', 'pictures (default: one of each class asked for)', wholeNumber(1, 4096))
    .option('--guidance <scale>', 'how much the class counts: u + scale·(c − u); 1 or none: as it is', notNegative)
    .option('--steps <count>', 'steps of a masked order', wholeNumber(1, 65536))
    .option('--inner-steps <count>', 'steps of the solver inside each step, where values are solved for', wholeNumber(1, 65536))
    .addOption(new Option('--method <name>', 'solver of these').choices(['euler', 'heun', 'ab2', 'ddpm']))
    .option('--choice-temperature <number>', 'how freely a masked order chooses which values stay', notNegative)
    .option('-o, --out <file>', 'write all pictures side by side into a PNG file')
    .option('--columns <count>', 'pictures in a row of the file (default: a square)', wholeNumber(1, 4096))
    .option('--scale <factor>', 'sides of the square that each pixel becomes in the file (default: 1)', wholeNumber(1, 64))
    .option('--preview', 'show every step as text (default: on a terminal)')
    .option('--no-preview', 'show nothing')
}
