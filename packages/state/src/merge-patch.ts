/** JSON merge patch (RFC 7396) of one level: fields are replaced whole, `null` removes. */
export function mergePatch(value: Readonly<Record<string, unknown>>, patch: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const merged = { ...value }
  for (const [name, field] of Object.entries(patch)) {
    if (field === null) delete merged[name]
    else merged[name] = field
  }
  return merged
}
