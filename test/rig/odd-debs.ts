// Packages that are odd in one way each: what must be read all the same, and what must be refused, by us and by others.
import { gzipSync, zstdCompressSync } from 'node:zlib'
import {
  type ArMember,
  ar,
  arHeader,
  controlText,
  emptyData,
  formatMember,
  handmadeDeb,
  longName,
  pax,
  type TarSpec,
  tar,
  tarEntry,
} from './debs.ts'

const goodControl = tarEntry({ name: './control', content: controlText() })
const controlMember: ArMember = {
  name: 'control.tar.gz',
  bytes: gzipSync(tar([{ name: './control', content: controlText() }])),
}
const dataMember: ArMember = { name: 'data.tar.gz', bytes: gzipSync(emptyData) }
const signature: ArMember = { name: '_gpgorigin', bytes: Buffer.from('odd') }
const unknownMember: ArMember = { name: 'future', bytes: Buffer.from('what will be') }

export interface OddDeb {
  readonly what: string
  readonly bytes: Buffer
  /** The sentence, for a refusal; null where it must be read. */
  readonly why: RegExp | null
  /** What dpkg-deb and apt say to it, where that is not our answer. */
  readonly dpkg?: boolean
  readonly apt?: boolean
}

const good = handmadeDeb()
const withControlText = (text: string | Buffer) =>
  handmadeDeb({ control: tar([{ name: './control', content: text }]) })
const withControl = (...entries: TarSpec[]) => handmadeDeb({ control: tar(entries) })
const asControl = { name: './control', content: controlText() }

const archives: readonly OddDeb[] = [
  { what: 'a handmade package', bytes: good, why: null },
  {
    what: 'names that end with a slash, as GNU ar writes them',
    bytes: ar(
      [formatMember, controlMember, dataMember].map((member) => {
        return { ...member, header: arHeader(`${member.name}/`, member.bytes.length) }
      }),
    ),
    why: null,
  },
  {
    what: 'a later minor format',
    bytes: ar([{ ...formatMember, bytes: Buffer.from('2.7\nmore\n') }, controlMember, dataMember]),
    why: null,
  },
  {
    what: 'members that begin with _',
    bytes: ar([formatMember, signature, controlMember, signature, dataMember, signature]),
    why: null,
  },
  {
    what: 'an unknown member at the end',
    bytes: ar([formatMember, controlMember, dataMember, unknownMember]),
    why: null,
  },
  {
    what: 'no padding at the very end',
    bytes: ar([formatMember, controlMember, oddMember(dataMember)]).subarray(0, -1),
    why: /the byte that pads its last member is missing/,
    dpkg: true,
  },
  { what: 'an empty file', bytes: Buffer.alloc(0), why: /does not begin as an ar archive/ },
  { what: 'a web page', bytes: Buffer.from('<html>'.repeat(50)), why: /does not begin as an ar archive/ },
  { what: 'the magic alone', bytes: Buffer.from('!<arch>\n'), why: /is an empty archive/ },
  {
    what: 'another first member',
    bytes: ar([signature, formatMember, controlMember, dataMember]),
    why: /is no Debian package: it begins with "_gpgorigin"/,
    apt: true,
  },
  {
    what: 'format 3.0',
    bytes: ar([{ ...formatMember, bytes: Buffer.from('3.0\n') }, controlMember, dataMember]),
    why: /format 3.0, not 2.0/,
    apt: true,
  },
  {
    what: 'no format',
    bytes: ar([{ ...formatMember, bytes: Buffer.from('2.0') }, controlMember, dataMember]),
    why: /no format version/,
    apt: true,
  },
  {
    what: 'parts in the wrong order',
    bytes: ar([formatMember, dataMember, controlMember]),
    why: /"data.tar.gz" where control.tar should stand/,
    apt: true,
  },
  {
    what: 'something between the parts',
    bytes: ar([formatMember, controlMember, unknownMember, dataMember]),
    why: /"future" where data.tar should stand/,
    apt: true,
  },
  { what: 'no data.tar', bytes: ar([formatMember, controlMember]), why: /has no data.tar/ },
  { what: 'no control.tar', bytes: ar([formatMember]), why: /has no control.tar/ },
  {
    what: 'two control parts',
    bytes: ar([formatMember, controlMember, controlMember, dataMember]),
    why: /"control.tar.gz" a second time/,
    apt: true,
  },
  {
    what: 'two data parts',
    bytes: ar([formatMember, controlMember, dataMember, dataMember]),
    why: /"data.tar.gz" a second time/,
    dpkg: true,
    apt: true,
  },
  {
    what: 'a control part behind the data',
    bytes: ar([formatMember, controlMember, dataMember, { ...controlMember, name: 'control.tar.xz' }]),
    why: /"control.tar.xz" a second time/,
    dpkg: true,
    apt: true,
  },
  {
    what: 'a control part packed with bzip2',
    bytes: ar([formatMember, { ...controlMember, name: 'control.tar.bz2' }, dataMember]),
    why: /packed in a way that dpkg does not read/,
  },
  {
    what: 'a data part of an unknown kind',
    bytes: ar([formatMember, controlMember, { ...dataMember, name: 'data.tar.foo' }]),
    why: /packed in a way that dpkg does not read/,
  },
  {
    what: 'garbage at the end',
    bytes: Buffer.concat([good, Buffer.from('garbage!')]),
    why: /something behind its last member/,
    dpkg: true,
  },
  {
    what: 'a long garbage at the end',
    bytes: Buffer.concat([good, Buffer.alloc(200, 'x')]),
    why: /broken member header at byte/,
    dpkg: true,
  },
  {
    what: 'a size that lies',
    bytes: ar([
      formatMember,
      controlMember,
      { ...dataMember, header: arHeader('data.tar.gz', 9_999_999_999) },
    ]),
    why: /is cut short: "data.tar.gz" goes on after the end/,
  },
  {
    what: 'a negative size',
    bytes: ar([formatMember, controlMember, { ...dataMember, header: arHeader('data.tar.gz', -5) }]),
    why: /broken member header/,
  },
  {
    what: 'an empty size',
    bytes: ar([formatMember, controlMember, { ...dataMember, header: arHeader('data.tar.gz', '') }]),
    why: /broken member header/,
    dpkg: true,
  },
  {
    what: 'a time that is no number',
    bytes: ar([
      formatMember,
      controlMember,
      { ...dataMember, header: arHeader('data.tar.gz', dataMember.bytes.length, 'x') },
    ]),
    why: /broken member header/,
    dpkg: true,
  },
  {
    what: 'a long name of GNU ar',
    bytes: ar([formatMember, controlMember, dataMember, { name: '//', bytes: Buffer.from('long/\n') }]),
    why: /broken member header/,
    dpkg: true,
  },
  {
    what: 'a hundred members',
    bytes: ar([formatMember, ...Array.from({ length: 100 }, () => signature), controlMember, dataMember]),
    why: /more than 64 members/,
    dpkg: true,
    apt: true,
  },
  { what: 'an old package', bytes: Buffer.from('0.939000\n123\n'), why: /does not begin as an ar archive/ },
]

function oddMember(member: ArMember): ArMember {
  for (let extra = 0; ; extra++) {
    const bytes = gzipSync(Buffer.concat([emptyData, Buffer.alloc(extra * 512)]))
    if (bytes.length % 2 === 1) return { ...member, bytes }
    if (extra > 50) throw new Error('Internal error: no odd length found')
  }
}

const controlParts: readonly OddDeb[] = [
  { what: 'control without ./', bytes: withControl({ name: 'control', content: controlText() }), why: null },
  { what: 'a folder entry first', bytes: withControl({ name: './', type: '5' }, asControl), why: null },
  {
    what: 'a script that is a link to another',
    bytes: withControl(
      asControl,
      { name: './prerm', content: '#!/bin/sh\n' },
      { name: './postrm', type: '2', link: 'prerm' },
    ),
    why: null,
  },
  { what: 'a tar of before POSIX', bytes: withControl({ ...asControl, magic: '' }), why: null },
  { what: 'a tar of POSIX', bytes: withControl({ ...asControl, magic: 'ustar\x0000' }), why: null },
  { what: 'a tar without an end', bytes: handmadeDeb({ control: goodControl }), why: null },
  {
    what: 'times in a PAX header',
    bytes: withControl(pax({ mtime: '1.5' }), { ...asControl, magic: 'ustar\x0000' }),
    why: null,
  },
  {
    what: 'no control file',
    bytes: withControl({ name: './postinst', content: 'x' }),
    why: /has no control file/,
  },
  {
    what: 'an empty control.tar',
    bytes: handmadeDeb({ control: Buffer.alloc(0) }),
    why: /has no control file/,
  },
  {
    what: 'control as a symbolic link',
    bytes: withControl({ name: 'x', content: controlText() }, { name: './control', type: '2', link: 'x' }),
    why: /has "control" as a symbolic link, not as a plain file/,
    dpkg: true,
  },
  {
    what: 'control as a link to a file of this host',
    bytes: withControl({ name: './control', type: '2', link: '/etc/passwd' }),
    why: /as a symbolic link/,
  },
  {
    what: 'control as a hard link',
    bytes: withControl({ name: 'x', content: controlText() }, { name: './control', type: '1', link: 'x' }),
    why: /has "control" as a hard link/,
    dpkg: true,
  },
  {
    what: 'control as a device',
    bytes: withControl({ name: './control', type: '3' }),
    why: /has "control" as a device/,
  },
  {
    what: 'control as a pipe',
    bytes: withControl({ name: './control', type: '6' }),
    why: /has "control" as a named pipe/,
  },
  {
    what: 'a link out of the folder',
    bytes: withControl(asControl, { name: 'prerm', type: '2', link: '../../etc/passwd' }),
    why: /has "prerm" as a symbolic link/,
    dpkg: true,
    apt: true,
  },
  {
    what: 'two control files',
    bytes: withControl(asControl, { ...asControl, name: 'control' }),
    why: /has "control" twice/,
    dpkg: true,
    apt: true,
  },
  {
    what: 'a folder below',
    bytes: withControl(asControl, { name: 'sub/x', content: '' }),
    why: /has the entry "sub\/x", which is no part/,
    dpkg: true,
    apt: true,
  },
  {
    what: 'a name that climbs',
    bytes: withControl(asControl, { name: '../x', content: '' }),
    why: /unsafe name "..\/x"/,
    apt: true,
  },
  {
    what: 'a name that climbs in the middle',
    bytes: withControl({ name: 'x/../control', content: controlText() }),
    why: /unsafe name/,
  },
  {
    what: 'an absolute name',
    bytes: withControl({ name: '/control', content: controlText() }),
    why: /unsafe name "\/control"/,
    dpkg: true,
  },
  {
    what: 'a name that is written oddly',
    bytes: withControl({ name: '././control', content: controlText() }),
    why: /unsafe name/,
    dpkg: true,
  },
  {
    what: 'a newline in a name',
    bytes: withControl(asControl, { name: 'x\ny', content: '' }),
    why: /unsafe name "x\?y"/,
    dpkg: true,
    apt: true,
  },
  {
    what: 'a path in a PAX header',
    bytes: withControl(pax({ path: 'control' }), { name: 'x', content: controlText(), magic: 'ustar\x0000' }),
    why: /PAX header with "path"/,
    dpkg: true,
  },
  {
    what: 'a size in a PAX header',
    bytes: withControl(pax({ size: '5' }), asControl),
    why: /PAX header with "size"/,
    apt: true,
  },
  {
    what: 'a huge PAX header',
    bytes: withControl(pax({ comment: 'x'.repeat(20_000) }), asControl),
    why: /PAX header of more than 16 KiB/,
    dpkg: true,
    apt: true,
  },
  {
    what: 'a broken PAX header',
    bytes: withControl({ ...pax({}), content: '999 mtime=1\n' }, asControl),
    why: /broken PAX header/,
    apt: true,
  },
  {
    what: 'a global PAX header',
    bytes: withControl(pax({ comment: 'x' }, 'g'), asControl),
    why: /PAX header, which dpkg does not read/,
    dpkg: true,
    apt: true,
  },
  {
    what: 'a long name',
    bytes: withControl(longName('x'.repeat(5000)), { name: 'x', content: '' }, asControl),
    why: /name of more than 4096 bytes/,
    apt: true,
  },
  {
    what: 'a second archive behind the end',
    bytes: handmadeDeb({
      control: Buffer.concat([
        tar([asControl]),
        tar([{ ...asControl, content: controlText({ Package: 'other' }) }]),
      ]),
    }),
    why: /something after its end/,
    dpkg: true,
    apt: true,
  },
  {
    what: 'a second archive behind one block of zeros',
    bytes: handmadeDeb({ control: Buffer.concat([goodControl, Buffer.alloc(512), goodControl]) }),
    why: /something after its end/,
    dpkg: true,
    apt: true,
  },
  {
    what: 'a header with a wrong checksum',
    bytes: handmadeDeb({ control: Buffer.concat([Buffer.from('X'), tar([asControl]).subarray(1)]) }),
    why: /broken tar header/,
  },
  {
    what: 'a size that is no number',
    bytes: withControl({ ...asControl, size: '0000000zz00\0' }),
    why: /entry of an impossible size/,
  },
  {
    what: 'a size beyond the end',
    bytes: withControl({ ...asControl, size: '77777777777\0' }),
    why: /has the file "control" of more than/,
  },
  {
    what: 'a size of 2^88',
    bytes: withControl({ ...asControl, size: Buffer.from([0x80, ...Array(11).fill(0xff)]) }),
    why: /entry of an impossible size/,
  },
  {
    what: 'a part that goes on after the end',
    bytes: withControl(asControl, { name: 'md5sums', content: 'x', size: '77777777777\0' }),
    why: /control.tar.gz of sample.deb: is cut short/,
    apt: true,
  },
  {
    what: 'a negative size',
    bytes: withControl({ ...asControl, size: Buffer.alloc(12, 0xff) }),
    why: /entry of an impossible size/,
  },
  {
    what: 'a folder with contents',
    bytes: withControl({ name: './', type: '5', content: 'x'.repeat(600) }, asControl),
    why: /contents in an entry that is no file/,
    dpkg: false,
    apt: true,
  },
  {
    what: 'an entry of an unknown type',
    bytes: withControl(asControl, { name: 'x', type: 'V', content: '' }),
    why: /unknown type "V"/,
    dpkg: true,
    apt: true,
  },
  {
    what: 'a sparse file',
    bytes: withControl(asControl, { name: 'x', type: 'S', content: '' }),
    why: /unknown type "S"/,
    dpkg: true,
    apt: true,
  },
  {
    what: 'text where a tar should be',
    bytes: handmadeDeb({ control: Buffer.from('x'.repeat(2000)) }),
    why: /broken tar header/,
  },
  { what: 'a cut tar', bytes: handmadeDeb({ control: goodControl.subarray(0, 700) }), why: /is cut short/ },
  {
    what: 'a cut gzip',
    bytes: ar([formatMember, { ...controlMember, bytes: controlMember.bytes.subarray(0, 100) }, dataMember]),
    why: /is not a valid .gz file/,
  },
  {
    what: 'zstd where gzip is claimed',
    bytes: ar([formatMember, { ...controlMember, bytes: zstdCompressSync(tar([asControl])) }, dataMember]),
    why: /is not a valid .gz file/,
  },
  {
    what: 'a thousand and one parts',
    bytes: withControl(
      asControl,
      ...Array.from({ length: 1000 }, (_, at) => ({ name: `p${at}`, content: '' })),
    ),
    why: /has more than 1000 entries/,
    dpkg: true,
    apt: true,
  },
  {
    what: 'a control file of 2 MB',
    bytes: withControlText(`${controlText()} ${'x'.repeat(2_000_000)}\n`),
    why: /has the file "control" of more than 1048576 bytes/,
    dpkg: true,
    apt: true,
  },
]

const controlFiles: readonly OddDeb[] = [
  { what: 'blank lines at the end', bytes: withControlText(`${controlText()}\n\n`), why: null },
  { what: 'field names in other cases', bytes: withControlText(controlText().toLowerCase()), why: null },
  { what: 'an underscore in the name', bytes: withControlText(controlText({ Package: 'a_b' })), why: null },
  {
    what: 'a relation over several lines',
    bytes: withControlText(controlText({ Depends: 'a,\n b (>= 1)' })),
    why: null,
  },
  {
    what: 'ancient comparisons',
    bytes: withControlText(controlText({ Depends: 'a (< 2), b (> 1)' })),
    why: null,
  },
  {
    what: 'no Package',
    bytes: withControlText(controlText({ Package: undefined })),
    why: /control of sample.deb: has no Package/,
  },
  {
    what: 'no Version',
    bytes: withControlText(controlText({ Version: undefined })),
    why: /has no Version/,
    apt: true,
  },
  {
    what: 'no Architecture',
    bytes: withControlText(controlText({ Architecture: undefined })),
    why: /has no Architecture/,
    dpkg: true,
    apt: true,
  },
  {
    what: 'a name with a slash',
    bytes: withControlText(controlText({ Package: 'a/../b' })),
    why: /odd Package: "a\/..\/b"/,
    apt: true,
  },
  {
    what: 'a name in capitals',
    bytes: withControlText(controlText({ Package: 'Sample' })),
    why: /odd Package/,
    dpkg: true,
    apt: true,
  },
  {
    what: 'a version that dpkg refuses',
    bytes: withControlText(controlText({ Version: '1_2' })),
    why: /odd Version: "1_2"/,
    apt: true,
  },
  {
    what: 'an architecture for sources',
    bytes: withControlText(controlText({ Architecture: 'any' })),
    why: /odd Architecture/,
    dpkg: true,
    apt: true,
  },
  {
    what: 'an architecture that is a path',
    bytes: withControlText(controlText({ Architecture: '../x' })),
    why: /odd Architecture/,
    dpkg: true,
    apt: true,
  },
  {
    what: 'an odd source',
    bytes: withControlText(controlText({ Source: 'a b c' })),
    why: /odd Source/,
    dpkg: true,
    apt: true,
  },
  {
    what: 'a doubled field',
    bytes: withControlText(`${controlText()}version: 2\n`),
    why: /has the field version a second time/,
    apt: true,
  },
  {
    what: 'a second paragraph',
    bytes: withControlText(`${controlText()}\n${controlText({ Package: 'other' })}`),
    why: /line 6 is blank, but more follows/,
    apt: true,
  },
  {
    what: 'a line of blanks',
    bytes: withControlText(`${controlText()} a\n \n b\n`),
    why: /line 7 is blank, but more follows/,
    apt: true,
  },
  {
    what: 'a blank line first',
    bytes: withControlText(`\n${controlText()}`),
    why: /line 1 is blank/,
    dpkg: true,
    apt: true,
  },
  {
    what: 'no newline at the end',
    bytes: withControlText(controlText().trimEnd()),
    why: /ends without a newline/,
    apt: true,
  },
  { what: 'an empty control file', bytes: withControlText(''), why: /is empty/ },
  {
    what: 'a comment',
    bytes: withControlText(`# hello\n${controlText()}`),
    why: /line 1 is no field: "# hello"/,
  },
  {
    what: 'a continuation first',
    bytes: withControlText(` x\n${controlText()}`),
    why: /line 1 continues a field/,
    apt: true,
  },
  {
    what: 'Windows line ends',
    bytes: withControlText(controlText().replaceAll('\n', '\r\n')),
    why: /carriage return \(convert it/,
    dpkg: true,
    apt: true,
  },
  {
    what: 'a NUL',
    bytes: withControlText(`${controlText()} a\0b\n`),
    why: /line 6 has the control character 0x0/,
    dpkg: true,
    apt: true,
  },
  {
    what: 'an escape sequence',
    bytes: withControlText(`${controlText()} \x1b[31m\n`),
    why: /control character 0x1b/,
    dpkg: true,
    apt: true,
  },
  {
    what: 'Latin-1',
    bytes: withControlText(Buffer.from(`${controlText()} \xe4\n`, 'latin1')),
    why: /is not UTF-8 text/,
    dpkg: true,
    apt: true,
  },
  {
    what: 'a field name of many letters',
    bytes: withControlText(`${controlText()}${'x'.repeat(101)}: y\n`),
    why: /is no field/,
    dpkg: true,
    apt: true,
  },
  {
    what: 'a Status',
    bytes: withControlText(controlText({ Status: 'install ok installed' })),
    why: /has the field Status/,
    apt: true,
  },
  {
    what: 'a relation with an architecture',
    bytes: withControlText(controlText({ Depends: 'a [amd64]' })),
    why: /has "a \[amd64\]" in Depends: that is no relation/,
    apt: true,
  },
  {
    what: 'an unfilled variable',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: a variable of debhelper's, not ours.
    bytes: withControlText(controlText({ Depends: 'a (= ${binary:Version})' })),
    why: /in Depends: that is no/,
    apt: true,
  },
  {
    what: 'an empty relation',
    bytes: withControlText(controlText({ Depends: 'a,,b' })),
    why: /has "" in Depends/,
    apt: true,
  },
  {
    what: 'a comma at the end',
    bytes: withControlText(controlText({ Depends: 'a, b,' })),
    why: /has a comma at the end of Depends/,
    apt: true,
  },
  {
    what: 'a choice of conflicts',
    bytes: withControlText(controlText({ Conflicts: 'a | b' })),
    why: /no choice in this field/,
    apt: true,
  },
  {
    what: 'a range provided',
    bytes: withControlText(controlText({ Provides: 'a (>= 1)' })),
    why: /in Provides: only "="/,
    dpkg: true,
    apt: true,
  },
  {
    what: 'Multi-Arch of another kind',
    bytes: withControlText(controlText({ 'Multi-Arch': 'yes' })),
    why: /odd Multi-Arch: "yes" \(expected/,
    apt: true,
  },
  {
    what: 'Multi-Arch: same for all',
    bytes: withControlText(controlText({ 'Multi-Arch': 'same' })),
    why: /not for Architecture: all/,
    apt: true,
  },
  {
    what: 'an essential perhaps',
    bytes: withControlText(controlText({ Essential: 'perhaps' })),
    why: /odd Essential/,
    apt: true,
  },
  {
    what: 'a size that is no number',
    bytes: withControlText(controlText({ 'Installed-Size': '1 kB' })),
    why: /odd Installed-Size/,
    dpkg: true,
    apt: true,
  },
  {
    what: 'a section that is a path',
    bytes: withControlText(controlText({ Section: '../../x y' })),
    why: /odd Section/,
    dpkg: true,
    apt: true,
  },
  {
    what: 'a relative conffile',
    bytes: withControl(asControl, { name: 'conffiles', content: 'etc/x\n' }),
    why: /conffiles of sample.deb: names "etc\/x"/,
    dpkg: true,
    apt: true,
  },
  {
    what: 'a conffile that climbs',
    bytes: withControl(asControl, { name: 'conffiles', content: '/etc/../x\n' }),
    why: /names "\/etc\/..\/x"/,
    dpkg: true,
    apt: true,
  },
  {
    what: 'conffiles with a flag',
    bytes: withControl(asControl, { name: 'conffiles', content: 'remove-on-upgrade /etc/x\n/etc/y\n' }),
    why: null,
  },
]

/** Packages that are odd in one way each, and what is said to them. */
export function oddDebs(): OddDeb[] {
  return [...archives, ...controlParts, ...controlFiles]
}
