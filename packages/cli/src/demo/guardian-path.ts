/** Where the program of the guardian is: beside this file, and beside whatever file of the built program this one became part of. */
import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'

export const GUARDIAN_PATH: string = fileURLToPath(new URL(`./guardian${extname(import.meta.url)}`, import.meta.url))
