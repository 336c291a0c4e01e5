// Parses files with AsyncAPI's parser and prints the faults: asyncapi.js FILES…. Exits with 1 if there are any.
const { Parser, fromFile } = require('@asyncapi/parser');

// AsyncAPI 3.1 adds only bindings for buses that Tocsin does not use, and more tools read AsyncAPI 3.0.
const disabled = ['asyncapi-latest-version'];

async function countFaults(file) {
	const { document, diagnostics } = await fromFile(new Parser(), file).parse();
	const found = diagnostics.filter(({ code }) => !disabled.includes(code));
	for (const { range, code, message, path } of found)
		console.log(`${file}:${range.start.line + 1}:${range.start.character + 1} ${code} ${message} (${path.join('/')})`);
	if (!document && found.length === 0)
		console.log(`${file}: cannot be parsed`);
	return found.length + (document ? 0 : 1);
}

Promise.all(process.argv.slice(2).map(countFaults)).then((counts) => {
	process.exitCode = counts.some((count) => count > 0) ? 1 : 0;
});
