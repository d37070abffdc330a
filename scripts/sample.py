"""Run `nanot-sample` from a file: let a trained model write."""

from nano_transformer.cli.sample import main

if __name__ == "__main__":
    main()
