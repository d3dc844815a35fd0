"""``get-pipeline-definition``: print or write the definition of a pipeline, as a CI job keeps it."""

import json
from pathlib import Path

from pipelines.commands import parser, pipeline


def main(arguments=None):
    options_parser = parser(main.__doc__ or __doc__)
    options_parser.add_argument("-f", "--file-name", type=Path, help="write it there instead of to the terminal")
    options = options_parser.parse_args(arguments)
    definition = json.dumps(json.loads(pipeline(options).definition()), indent=2)
    if options.file_name:
        options.file_name.write_text(definition + "\n")
    else:
        print(definition)


if __name__ == "__main__":
    main()
