/** The reference of the config as people read it: every key with its variable, its default, what it means and when to change it. */
import { LIMITS, type Limits } from '@causeway/protocol'
import { takesText, variableOf } from './config-environment.ts'
import { type ConfigKey, type JsonSchema, configJsonSchema, configKeys, formsOf } from './config-keys.ts'

const HEAD = `# Config

One YAML file for both roles, read by \`causeway run --config FILE\`; \`--check\` only checks it. A key that is not known, or that
this version does not act on, is refused with the line it stands in. This page and \`config.schema.json\` are made of the schema that
the node checks with.

An editor that knows YAML schemas completes and explains the keys if the file begins with

    # yaml-language-server: $schema=./config.schema.json

where the schema is what \`causeway config schema > config.schema.json\` writes, or the one in this folder.

- **Paths** are taken from the folder of the file.
- **Variables** of the environment stand over the file, by the names below: \`CAUSEWAY_\` and the path of the key in capitals.
  \`null\` unsets a key, lists of texts have commas or spaces between, an empty variable counts for nothing. One that names no key is
  refused. \`services\` and \`forwards\` have none.
- **Secrets** are in files and nowhere else: the private key in the credential, the token of the HTTP API in \`DATADIR/api.token\`. To
  take them from a secret store, mount them and name the path: \`CAUSEWAY_CREDENTIAL=/run/secrets/causeway.cred\`; clients read a token from
  \`CAUSEWAY_TOKEN_FILE\`.
- **SIGHUP** makes a running node read file and environment again: \`services\`, \`forwards\` and \`socks\` change at once, what else is
  different is named in the event \`config-reloaded\` and takes a restart. A config with a fault changes nothing.
`

/** Markdown. */
export function configReference(): string {
  const schema = configJsonSchema()
  const keys = configKeys(schema)
  const sections = Object.entries(schema.properties ?? {}).filter(([, section]) => formsOf(section).some(({ properties }) => properties))
  const single = keys.filter(({ path }) => path.length === 1)
  const parts = sections.map(([name, section]) => {
    const own = keys.filter(({ path }) => path.length > 1 && path[0] === name)
    return `## ${name}\n\n${capital(section.description ?? '')}.\n\n${tableOf(own)}`
  })
  return [HEAD, `## The node\n\n${tableOf(single)}`, ...parts, ...single.filter(hasItems).map(itemsTable)].join('\n')
}

function tableOf(keys: readonly ConfigKey[]): string {
  const rows = keys.map((key) => [`\`${key.path.join('.')}\``, kindOf(key.forms), defaultOf(key), key.description, variableText(key)])
  return table(['key', 'is', 'default', 'meaning and advice', 'variable'], rows)
}

/** Of a list of sections: the keys of one. */
function itemsTable({ path, forms, description }: ConfigKey): string {
  const item = forms.find(({ items }) => items?.properties)?.items
  const rows = Object.entries(item?.properties ?? {}).map(([name, schema]) => [
    `\`${name}\``,
    kindOf(formsOf(schema)),
    schema.default === undefined ? (item?.required?.includes(name) ? 'required' : '') : code(schema.default),
    schema.description ?? '',
  ])
  return `## ${path.join('.')}, each\n\n${capital(description)}: see [forwards.md](forwards.md).\n\n${table(['key', 'is', 'default', 'meaning'], rows)}`
}

function hasItems({ forms }: ConfigKey): boolean {
  return forms.some(({ items }) => items?.properties)
}

function table(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [heads, heads.map(() => '---'), ...rows.map((row) => row.map((cell) => cell.replaceAll('|', '\\|')))]
  return `${lines.map((cells) => `| ${cells.join(' | ')} |`).join('\n')}\n`
}

function kindOf(forms: readonly JsonSchema[]): string {
  return [...new Set(forms.map(kind))].join(' or ')
}

function kind({ type, enum: choices, const: constant, items }: JsonSchema): string {
  if (constant !== undefined) return code(constant)
  if (choices) return choices.map(code).join(' or ')
  if (type === 'array') return items?.properties ? 'list of sections' : 'list of texts'
  if (type === 'string') return 'text'
  if (type === 'object') return 'names and numbers'
  if (type === 'null') return '`null`'
  return typeof type === 'string' ? type : ''
}

function defaultOf({ path, default: value, required }: ConfigKey): string {
  const [section, name = ''] = path
  const limit = section === 'limits' ? LIMITS[name as keyof Limits] : undefined
  return required ? 'required' : value === undefined ? (limit === undefined ? '' : code(limit)) : code(value)
}

function variableText(key: ConfigKey): string {
  return takesText(key) ? `\`${variableOf(key.path)}\`` : ''
}

function code(value: unknown): string {
  return `\`${typeof value === 'string' ? value : JSON.stringify(value)}\``
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}
